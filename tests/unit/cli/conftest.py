"""Commands in this process, as a user types them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.cli.main import run
from tests.support.command import Ran, Workbench


@pytest.fixture
def workbench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workbench]:
    """`workbench("inspect", path)`, with data in a temporary folder and lines of 100 characters."""
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Ran:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield call
    signal.signal(signal.SIGTERM, before)
    structlog.reset_defaults()  # a command writes to the stderr of this test, which is closed in the next one
