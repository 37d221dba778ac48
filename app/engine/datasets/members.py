"""What an archive offers, whatever its format, and the rules for the names and sizes inside.

Nothing of an archive is ever written under a name it brings along; the rules keep names showable and unambiguous, and the
counts keep a small file from becoming a large one.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import WorkbenchError

MAXIMUM_MEMBERS = 500_000
"""ImageNet's validation set has 50,000 images."""
MAXIMUM_BYTES = 64 * 2**30
MAXIMUM_RATIO = 100
"""Photographs hardly shrink (about 1 : 1), text 1 : 10; zeros shrink 1 : 1,000."""
FREE_BYTES = 64 * 2**20
"""Unpacked bytes that no ratio is asked of: a small archive of drawings is harmless."""
LONGEST_NAME_BYTES = 1024
LONGEST_PART_BYTES = 255
DEEPEST = 32
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, NotImplementedError, IndexError, OverflowError),
)
"""What the standard library raises for broken archives: gzip's error is an OSError, a name that is no UTF-8 a ValueError."""


class Member(ABC):
    """A regular file in an archive; readable until the next one is asked for."""

    name: str
    """Clean: "/" between folders, no way outside."""
    size_bytes: int
    """As declared. What `read` gives is counted, whatever was declared."""

    @abstractmethod
    def read(self, size: int = -1) -> bytes:
        """
        Raises:
            WorkbenchError: `archive.bomb`, `archive.too_large`, `dataset.truncated_archive`.
        """


class Archive(ABC):
    """Iterate once."""

    size_bytes: int
    """Of the archive file."""
    folders: set[str]
    """Those with an entry of their own, as far as the iteration has come; empty ones, too."""

    @abstractmethod
    def __iter__(self) -> Iterator[Member]: ...

    @property
    @abstractmethod
    def position(self) -> int:
        """How far the iteration has come, in bytes of the archive file."""


@contextmanager
def damage_explained() -> Iterator[None]:
    """Only around what reads the archive: a caller's own OSError (a full disk) is no damage of the archive."""
    try:
        yield
    except DAMAGE as error:
        words = "".join(sign for sign in " ".join(str(error).split()) if sign.isprintable())[:120]
        raise WorkbenchError(
            "dataset.truncated_archive",
            f"The archive is damaged or cut off ({words or type(error).__name__}).",
            hint="Copy or pack it again.",
        ) from error


def clean_name(name: str) -> str:
    """`name` with "/" between folders and without a leading "./".

    Raises:
        WorkbenchError: `archive.unsafe_name` for one that leads outside, names a drive or holds control characters.
    """
    shown = showable(name)
    if any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in name):
        raise _unsafe("holds control characters", shown)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        raise _unsafe("is absolute", shown)
    if ".." in parts:
        raise _unsafe('leads outside with ".."', shown)
    if len(parts) > DEEPEST:
        raise _unsafe(f"is {len(parts)} folders deep ({DEEPEST} are allowed)", shown)
    longest = max((len(part.encode()) for part in parts), default=0)
    if longest > LONGEST_PART_BYTES or len(name.encode()) > LONGEST_NAME_BYTES:
        raise _unsafe(f"is too long ({len(name.encode()):,} bytes)", shown)
    return "/".join(parts)


def showable(name: str) -> str:
    """A name for a message: control characters replaced, at most 80 characters."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in name)
    return plain if len(plain) <= 80 else plain[:79] + "…"


def _unsafe(why: str, name: str) -> WorkbenchError:
    return WorkbenchError(
        "archive.unsafe_name",
        f"A name in the archive {why}.",
        where=name,
        hint="Pack the folder again with an ordinary zip or tar program.",
    )


class Names:
    """Every name seen: none twice, none both file and folder, not too many."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str) -> None:
        """
        Raises:
            WorkbenchError: `archive.duplicate_name`, `archive.too_many_members`.
        """
        if not name or name in self._files or name in self._folders:
            raise _duplicate(name)
        self.add_folder(name.rpartition("/")[0])
        self._files.add(name)
        self._count()

    def add_folder(self, name: str) -> None:
        """A folder may be named again and again; those above it need no entry of their own. Raises as `add`."""
        while name and name not in self._folders:
            if name in self._files:
                raise _duplicate(name)
            self._folders.add(name)
            name = name.rpartition("/")[0]
        self._count()

    def _count(self) -> None:
        if len(self._files) + len(self._folders) > MAXIMUM_MEMBERS:
            raise WorkbenchError(
                "archive.too_many_members", f"The archive holds more than the {MAXIMUM_MEMBERS:,} files allowed."
            )


def _duplicate(name: str) -> WorkbenchError:
    return WorkbenchError(
        "archive.duplicate_name",
        "Two entries of the archive have the same name.",
        where=showable(name),
        hint="Pack the folder again.",
    )


@dataclass
class Meter:
    """Counts unpacked bytes, the only size that cannot lie."""

    packed_bytes: int
    unpacked_bytes: int = 0

    def announce(self, size_bytes: int, name: str) -> None:
        """Refuse a size before a byte of it is read.

        Raises:
            WorkbenchError: `archive.too_large`.
        """
        if self.unpacked_bytes + size_bytes > MAXIMUM_BYTES:
            raise WorkbenchError(
                "archive.too_large",
                f"Unpacked, the archive has more than the {MAXIMUM_BYTES / 2**30:.0f} GiB allowed.",
                where=showable(name),
                hint="Some thousand images are enough to calibrate and to measure.",
            )

    def add(self, size_bytes: int) -> None:
        """
        Raises:
            WorkbenchError: `archive.too_large`, `archive.bomb`.
        """
        self.announce(size_bytes, "")
        self.unpacked_bytes += size_bytes
        if self.unpacked_bytes > FREE_BYTES + MAXIMUM_RATIO * self.packed_bytes:
            raise WorkbenchError(
                "archive.bomb",
                f"The archive's {self.packed_bytes:,} bytes unpack to more than {self.unpacked_bytes:,}, "
                f"over {MAXIMUM_RATIO} times as many; image files do not shrink like that.",
                hint="Pack the image files as they are.",
            )
