"""How much memory does an upload take, and how fast is it?

    .venv/bin/python -m benchmarks.upload.measure [--gigabytes 2] [--repetitions 3]

Writes the table into README.md beside this script. Needs three times the upload's size of free disk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.readme import describe_machine, table, write_measured
from tests.support.big_upload import BigUpload, send_big_upload
from tests.support.server import LiveServer

README = Path(__file__).with_name("README.md")
LIMIT_MB = 50
HEADS = ("upload", "MB/s", "idle MB", "at most MB", "over idle MB")


def measure(size_bytes: int) -> BigUpload:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder) / "data", worker=False, WORKBENCH_LOG_LEVEL="WARNING").start()
        try:
            return send_big_upload(server, size_bytes)
        finally:
            server.stop()


def row(name: str, size_bytes: int, sent: BigUpload) -> tuple[object, ...]:
    memory = (f"{number / 1e6:.1f}" for number in (sent.idle_bytes, sent.peak_bytes, sent.growth_bytes))
    return (name, f"{size_bytes / 1e6 / sent.seconds:.0f}", *memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    machine, size_bytes = describe_machine(), int(arguments.gigabytes * 1e9)
    sent = [measure(size_bytes) for _ in range(arguments.repetitions)]
    most = max(upload.growth_bytes for upload in sent) / 1e6
    verdict = f"At most {most:.1f} MB over idle: the claim {'holds' if most < LIMIT_MB else 'does not hold'}."
    name = f"{arguments.gigabytes:g} GB"
    text = f"{machine}.\n\n{verdict}\n\n{table(HEADS, [row(name, size_bytes, upload) for upload in sent])}"
    print(text)
    write_measured(README, text)


if __name__ == "__main__":
    main()
