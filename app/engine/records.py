"""Frozen dataclasses to JSON and back: the one way values cross a process, a file or a database column."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.errors import WorkbenchError

T = TypeVar("T")


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(cls: Any) -> TypeAdapter[Any]:
    """Building an adapter costs milliseconds, so each is built once."""
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


def to_json(value: Any) -> Any:
    """A dataclass (nested, with tuples, paths, enums) as plain JSON values; NaN and infinity become null."""
    return _adapter(type(value)).dump_python(value, mode="json") if dataclasses.is_dataclass(value) else value


def from_json(cls: type[T], data: Any) -> T:
    """The dataclass `cls` from JSON values, every field checked.

    Raises:
        WorkbenchError: `record.invalid`, naming the first wrong field.
    """
    try:
        return _adapter(cls).validate_python(data)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WorkbenchError("record.invalid", f"{cls.__name__}: {first['msg']}.", where=where) from error


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(to_json(value), indent=1, ensure_ascii=False), encoding="utf-8")


def read_json(cls: type[T], path: Path) -> T:
    return from_json(cls, json.loads(path.read_text(encoding="utf-8")))
