"""From artifacts to a stage's spec, and from its result to the files it made. Shared by both executors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app import __version__
from app.errors import WorkbenchError
from app.jobs.executor import Artifact

Files = Mapping[str, Artifact | Sequence[Artifact] | None]

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "pillow")


def build_spec(files: Files, params: Mapping[str, Any]) -> dict[str, Any]:
    """The stage's Spec as JSON: paths for `files`, `params` as they are."""
    return {name: _map(value, lambda artifact: str(artifact.path.absolute())) for name, value in files.items()} | dict(params)


def memo_key(stage: str, files: Files, params: Mapping[str, Any]) -> str:
    """One name for one computation: the stage, what computes it, the content of its inputs, its parameters."""
    inputs = {name: _map(value, lambda artifact: artifact.sha256 or str(artifact.path)) for name, value in files.items()}
    computed_by = [__version__, *(version(library) for library in _LIBRARIES)]
    text = json.dumps([stage, computed_by, inputs, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def find_files(result: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The files that a result names (fields ending in `_file` or `_files`), by name.

    Raises:
        WorkbenchError: `stage.failed` when one is not a plain file in the stage's own folder.
    """
    names: list[str] = []
    for field, value in result.items():
        if field.endswith("_file") and value:
            names.append(value)
        elif field.endswith("_files"):
            names.extend(value)
    paths = {name: folder / name for name in names}
    for name, path in paths.items():
        if Path(name).name != name or not path.is_file() or path.is_symlink():
            raise WorkbenchError(
                "stage.failed", "A stage named a file that it did not write.", where=name, hint="Please report it."
            )
    return paths


def _map(value: Artifact | Sequence[Artifact] | None, of: Any) -> Any:
    if value is None:
        return None
    return of(value) if isinstance(value, Artifact) else [of(artifact) for artifact in value]
