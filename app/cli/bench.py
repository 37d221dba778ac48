"""The temporary place a command works in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.progress import StageProgress
from app.cli.stopping import unwind_on_sigterm
from app.errors import WorkbenchError
from app.services.local import Bench
from app.settings import Settings
from app.worker.logs import configure_logs


@contextmanager
def open_bench(near: Path | None = None) -> Iterator[Bench]:
    """A bench in a folder that is removed afterwards, whatever happens.

    Args:
        near: Put the folder inside this one: decoded samples can be larger than the system's temporary folder.

    Raises:
        WorkbenchError: `out.not_writable`.
    """
    unwind_on_sigterm()
    settings = Settings()
    # What went wrong in a child is said by its error; the log is for those who ask for it.
    configure_logs(settings.log_level if "log_level" in settings.model_fields_set else "ERROR")
    try:
        folder = tempfile.TemporaryDirectory(prefix=".workbench-", dir=near, ignore_cleanup_errors=True)
    except OSError as error:
        message = f"The folder cannot be written to: {error.strerror}."
        raise WorkbenchError("out.not_writable", message, where=str(near)) from error
    with folder as name, StageProgress() as progress:
        yield Bench(Path(name).absolute(), settings, progress.on_event)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`224` or `HEIGHTxWIDTH`.

    Raises:
        WorkbenchError: `size.invalid`.
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise WorkbenchError("size.invalid", f"A size is HEIGHTxWIDTH, not {text!r}.", where="--size", hint="Example: 224x224.")
    return int(parts[0]), int(parts[-1])


def parse_numbers(text: str, name: str) -> tuple[int, ...]:
    """`1,2,4`.

    Raises:
        WorkbenchError: `numbers.invalid`.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        message = f"{name} takes whole numbers from 1, separated by commas, not {text!r}."
        raise WorkbenchError("numbers.invalid", message, where=name, hint="Example: 1,2.")
    return tuple(int(part) for part in parts)
