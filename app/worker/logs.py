"""Log lines of a process: JSON where a machine reads them, readable on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

CANCELLED_ELSEWHERE = "DBOSAwaitedWorkflowCancelledError"
"""DBOS names it only inside itself (dbos is pinned to 3.4)."""


def configure_logs(level: str) -> None:
    on_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if on_terminal else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            if on_terminal
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("dbos").addFilter(is_worth_a_line)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not the traceback of a job that its user cancelled just as this worker took it: nothing went wrong."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != CANCELLED_ELSEWHERE
