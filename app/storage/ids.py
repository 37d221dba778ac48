"""Opaque ids: UUID version 7 (RFC 9562 §5.7), so that rows sort by creation; also within a millisecond of one process."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_COUNTER_BITS = 12
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """48 bits of milliseconds, a counter of 12 bits in the field rand_a (§6.2, method 1), 62 random bits."""
    global _last  # noqa: PLW0603 - ids of a process must know of each other to keep their order
    with _lock:
        now = (time.time_ns() // 1_000_000) << _COUNTER_BITS | secrets.randbits(_COUNTER_BITS - 1)
        _last = now if now >> _COUNTER_BITS > _last >> _COUNTER_BITS else _last + 1
        milliseconds, counter = _last >> _COUNTER_BITS, _last & (1 << _COUNTER_BITS) - 1
    value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
