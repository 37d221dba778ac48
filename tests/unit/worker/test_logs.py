"""What a process writes into its log."""

from __future__ import annotations

import logging

import pytest
from dbos._error import DBOSAwaitedWorkflowCancelledError

from app.worker.logs import is_worth_a_line


@pytest.mark.parametrize(
    ("error", "worth"), [(DBOSAwaitedWorkflowCancelledError("run"), False), (RuntimeError("ours"), True), (None, True)]
)
def test_a_cancelled_job_is_no_traceback(error: Exception | None, worth: bool) -> None:
    exc_info = None if error is None else (type(error), error, None)
    record = logging.LogRecord("dbos", logging.ERROR, "core.py", 1, "Exception encountered", (), exc_info)
    assert is_worth_a_line(record) is worth
