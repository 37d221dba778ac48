"""Which file a line of a listing means."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence


class FileFinder:
    """Listings are written on other machines: their paths may be absolute, relative to the listing or to the top, or bare names
    of files that now lie in some folder. The first of these that names exactly one file wins.
    """

    def __init__(self, names: Iterable[str], listing: str) -> None:
        self._folder = listing.rpartition("/")[0]
        self._exact: dict[str, str] = {}
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._exact[name] = name
            self._exact.setdefault(_composed(name), name)
            self._by_base[_composed(name).rpartition("/")[2]].append(name)

    def find(self, file: str) -> str | None:
        parts = [part for part in _composed(file).replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts:
            return None
        for folder in (self._folder, ""):
            if name := self._exact.get("/".join([folder, *parts] if folder else parts)):
                return name
        return self._by_end(parts, self._by_base.get(parts[-1], ()))

    def _by_end(self, parts: Sequence[str], candidates: Sequence[str]) -> str | None:
        """The only candidate that shares the most folders at the end of the path."""
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        shared = [_shared_end(parts, _composed(name).split("/")) for name in candidates]
        best = max(shared)
        return candidates[shared.index(best)] if shared.count(best) == 1 else None


def _shared_end(a: Sequence[str], b: Sequence[str]) -> int:
    shared = 0
    while shared < min(len(a), len(b)) and a[-1 - shared] == b[-1 - shared]:
        shared += 1
    return shared


def _composed(name: str) -> str:
    """macOS stores é as e and an accent; listings hardly ever do."""
    return unicodedata.normalize("NFC", name)
