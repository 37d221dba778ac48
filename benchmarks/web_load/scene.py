"""The server with something to click at and a worker that has enough to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import httpx2

from app.services.context import Workbench, open_workbench
from tests.support import rows
from tests.support.server import LiveServer

POLL_S = 0.5
PATIENCE_S = 600.0
PROJECTS, MODELS, FURTHER_RUNS = 200, 100, 100
"""Each project brings its baseline, two optimizations and a comparison: 900 runs in all."""
STAGES = ("Prepare samples", "FP32 accuracy", "Calibrate", "Quantize", "Compare with FP32", "Throughput and latency")
EVENTS = [(stage, kind, 0, 0, "") for kind in ("planned", "started", "finished") for stage in STAGES]


class Scene:
    """Talks to the server as a script does."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._api = httpx2.Client(base_url=f"{server.url}/api/v1", timeout=120)
        self.project: dict[str, Any] = {}

    def prepare(self) -> None:
        """The example with its baseline and one INT8 variant."""
        project_id = self._ask("POST", "/example")["id"]
        self._wait_until_idle(project_id)
        self._ask("POST", f"/projects/{project_id}/optimize", json={"settings": {"method": "default"}})
        self.project = self._wait_until_idle(project_id)

    def keep_busy(self, runs: int, first_seed: int) -> Sequence[str]:
        """Ids of optimizations that search: a tolerance of 0 is hardly ever kept."""
        path = f"/projects/{self.project['id']}/optimize"
        wanted = [{"method": "accuracy-aware", "max_drop": 0.0, "seed": first_seed + n} for n in range(runs)]
        return [self._ask("POST", path, json={"settings": settings})["id"] for settings in wanted]

    def wait_until_it_runs(self, run_id: str) -> None:
        """Past its beginning, so that the minute lies in the middle of the work."""
        self._wait(lambda: self._ask("GET", f"/runs/{run_id}")["percent"] > 0, "the worker begins")

    def cancel(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            self._ask("POST", f"/runs/{run_id}/cancel")
        self._wait_until_idle(self.project["id"])

    def pages(self) -> dict[str, tuple[str, ...]]:
        base = f"/projects/{self.project['id']}"
        runs = self._ask("GET", f"{base}/runs")
        live = tuple(f"/runs/{run['id']}" for run in runs if run["state"] in ("queued", "running"))
        over = tuple(f"/runs/{run['id']}" for run in runs if run["state"] == "succeeded")
        return {
            "projects": ("/",),
            "models": ("/models",),
            "model": (f"/models/{self.project['model']['id']}",),
            "datasets": ("/datasets",),
            "dataset": (f"/datasets/{self.project['dataset']['id']}",),
            "overview of a project": (base,),
            "compare": (f"{base}/compare",),
            "optimize": (f"{base}/optimize",),
            "runs of a project": (f"{base}/runs",),
            "run, under way or waiting": live,
            "run, over": over,
            "workers": ("/workers",),
        }

    def fill(self) -> None:
        """Rows as a team leaves them, next to the running server."""
        wb = open_workbench(self._server.settings)
        try:
            fill(wb)
        finally:
            wb.close()

    def _wait_until_idle(self, project_id: str) -> dict[str, Any]:
        path = f"/projects/{project_id}"
        self._wait(lambda: self._ask("GET", path)["active_run"] is None, "the runs end")
        return self._ask("GET", path)

    def _wait(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_S:.0f} s in vain until {what}")
            time.sleep(POLL_S)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._api.request(method, path, **options)
        answer.raise_for_status()
        return answer.json()


def fill(wb: Workbench) -> None:
    """Rows only: their files hold no networks."""
    models = [rows.store_model(wb, name=f"model-{n}.onnx") for n in range(MODELS)]
    projects = [rows.store_project(wb, name=f"Project {n}", model_id=models[n % MODELS]) for n in range(PROJECTS)]
    for n in range(FURTHER_RUNS):
        rows.store_run(wb, state=("succeeded", "failed", "cancelled")[n % 3], project_id=projects[n % 10].id, events=EVENTS)
