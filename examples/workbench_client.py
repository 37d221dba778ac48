"""Optimizes a model through the API of a running workbench, with the standard library only.

    python workbench_client.py MODEL DATASET OUT [SERVER]

docs/api.md explains each step.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

SERVER = sys.argv[4] if len(sys.argv) > 4 else "http://127.0.0.1:8000"
PIECE_BYTES = 8 << 20
TUS = {"Tus-Resumable": "1.0.0"}


def call(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> HTTPResponse:
    """The open answer; a refusal ends the script with the error's four fields."""
    try:
        return urllib.request.urlopen(urllib.request.Request(SERVER + url, body, headers or {}, method=method))
    except urllib.error.HTTPError as refusal:
        sys.exit(f"{method} {url}: {refusal.status} {refusal.read().decode()}")


def api(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with call(method, "/api/v1" + path, data, {"Content-Type": "application/json"}) as answer:
        return json.load(answer)


def upload(path: Path, kind: str) -> str:
    """Announce the file, send it in pieces; the id of the model or dataset it became."""
    filename, encoded_kind = (base64.b64encode(text.encode()).decode() for text in (path.name, kind))
    metadata = f"filename {filename},kind {encoded_kind}"
    announcement = {**TUS, "Upload-Length": str(path.stat().st_size), "Upload-Metadata": metadata}
    with call("POST", "/uploads", b"", announcement) as answer:
        url = answer.headers["Location"]
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            position = {"Upload-Offset": str(file.tell() - len(piece)), "Content-Type": "application/offset+octet-stream"}
            call("PATCH", url, piece, {**TUS, **position}).close()
    return api("GET", url)["result_id"]


def follow(run: dict[str, Any]) -> None:
    """Print a run's events until it has succeeded. A lost connection is taken up behind the last event."""
    print(run["title"])
    state, seen, kind = run["state"], 0, ""
    while state in ("queued", "running"):
        try:
            with call("GET", f"/api/v1/runs/{run['id']}/events?after={seen}") as answer:
                for line in answer:
                    field, _, value = line.decode().strip().partition(": ")
                    if field == "id":
                        seen = int(value)
                    elif field == "event":
                        kind = value
                    elif field == "data" and kind == "over":
                        state = json.loads(value)["state"]
                    elif field == "data" and kind in ("started", "log"):
                        event = json.loads(value)
                        print(f"  {event['stage']}  {event['message']}".rstrip())
        except OSError:
            time.sleep(1)
    if state != "succeeded":
        sys.exit(f"{run['title']} {state}: {api('GET', '/runs/' + run['id'])['error']}")


def understand(kind: str, asset_id: str) -> dict[str, Any]:
    """The model or dataset once it has been looked into."""
    asset = api("GET", f"/{kind}s/{asset_id}")
    follow(api("GET", f"/runs/{asset['run_id']}"))
    return api("GET", f"/{kind}s/{asset_id}")


def main(model_path: Path, dataset_path: Path, out: Path) -> None:
    model = understand("model", upload(model_path, "model"))
    dataset = understand("dataset", upload(dataset_path, "dataset"))
    pair = {"model_id": model["id"], "dataset_id": dataset["id"]}

    preflight = api("POST", "/preflights", pair)
    follow(preflight)
    found = api("GET", f"/preflights/{preflight['id']}")["result"]
    best = found["candidates"][found["chosen"]]
    print(f"{best['description']}: {best['matches']} of {best['tried']} predictions match their labels")

    inputs = {"preprocessing": best["preprocessing"], "task": found["task"]}
    project = api("POST", "/projects", {"name": model["name"], **pair, **inputs})
    follow(project["active_run"])

    settings = {"method": "accuracy-aware", "max_drop": 1.0, "drop_type": "absolute", "subset_size": 300}
    run = api("POST", f"/projects/{project['id']}/optimize", {"settings": settings})
    follow(run)

    variant = api("GET", "/variants/" + api("GET", f"/runs/{run['id']}")["variant_id"])
    speedup, lost = variant["paired"]["speedup"], variant["evaluation"]["top1_drop"]["points"]
    print(f"{speedup['value']:.2f} times the speed of FP32 ({speedup['low']:.2f} to {speedup['high']:.2f})")
    print(
        f"{lost['value']:.1f} points of top-1 lost ({lost['low']:.1f} to {lost['high']:.1f}): limit {variant['limit']['state']}"
    )
    with call("GET", f"/api/v1/variants/{variant['id']}/model") as answer:
        out.write_bytes(answer.read())


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*(Path(argument) for argument in sys.argv[1:4]))
