"""Values of rows that never change once written, parsed once per process: checking JSON is most of the cost of a list."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, TypeVar

from app.engine.records import from_json

T = TypeVar("T")
KEPT = 4096
"""Some kilobytes each."""

_values: OrderedDict[tuple[type, str], Any] = OrderedDict()
_lock = Lock()


def parsed(cls: type[T], row_id: str, data: Any) -> T:
    """As `from_json`, remembered by the id of the row that holds it.

    Only for measurements, comparisons, trials, recipes and descriptions: rows that are written once and deleted at most.
    """
    key = (cls, row_id)
    with _lock:
        if key in _values:
            _values.move_to_end(key)
            return _values[key]  # type: ignore[no-any-return]  # stored under its own class
    value = from_json(cls, data)
    with _lock:
        _values[key] = value
        if len(_values) > KEPT:
            _values.popitem(last=False)
    return value
