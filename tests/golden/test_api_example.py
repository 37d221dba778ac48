"""The script that docs/api.md explains takes the example from upload to download on a real server, as a user would start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import LiveServer
from tests.support.shared import ROOT

SHORT = {"WORKBENCH_BENCHMARK_SECONDS": "0.2", "WORKBENCH_PAIRED_SECONDS": "1"}


@pytest.mark.slow
def test_the_script_of_the_api_document_gives_an_int8_model(tmp_path: Path) -> None:
    fashion, out = ROOT / "examples/fashion", tmp_path / "int8.onnx"
    server = LiveServer(tmp_path / "data", **SHORT).start()
    try:
        files = [str(fashion / "fashion-cnn.onnx"), str(fashion / "fashion-1000.zip"), str(out)]
        script = [sys.executable, str(ROOT / "examples/workbench_client.py"), *files, server.url]
        done = subprocess.run(script, capture_output=True, text=True, timeout=400, check=False)
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout + done.stderr + server.text()
    assert "limit certified" in done.stdout or "limit kept" in done.stdout
    assert 3 * out.stat().st_size < (fashion / "fashion-cnn.onnx").stat().st_size
