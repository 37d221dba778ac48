"""Zip files, judged by their directory before any data is read."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

from app.engine.datasets.members import Archive, Member, Meter, Names, clean_name, damage_explained, showable
from app.errors import WorkbenchError

LOCAL_ENTRY, EMPTY_DIRECTORY = b"PK\x03\x04", b"PK\x05\x06"
LOCAL_HEADER_BYTES = 30
ENCRYPTED_FLAGS = 0x1 | 0x40
UTF8_FLAG = 0x800
UNIX = 3
MOST_AT_ONCE = 2**20
"""Bytes unpacked between two looks at the limits."""


def looks_like_zip(file: IO[bytes]) -> bool:
    """By its first bytes or, for one with something put in front, by its end."""
    start = file.read(4)
    file.seek(0)
    found = start in {LOCAL_ENTRY, EMPTY_DIRECTORY} or zipfile.is_zipfile(file)
    file.seek(0)
    return found


class ZipMember(Member):
    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, meter: Meter) -> None:
        self.name, self.size_bytes = name, entry.file_size
        self._archive, self._entry, self._meter = archive, entry, meter
        self._stream: IO[bytes] | None = None

    def read(self, size: int = -1) -> bytes:
        with damage_explained():
            if self._stream is None:
                self._meter.announce(self.size_bytes, self.name)
                self._stream = self._archive.open(self._entry)
            wanted = min(size, MOST_AT_ONCE) if size >= 0 else MOST_AT_ONCE
            parts = []
            while size != 0 and (data := self._stream.read(wanted)):  # its end compares size and checksum
                self._meter.add(len(data))
                parts.append(data)
                size = size - len(data) if size > 0 else size
                wanted = min(size, MOST_AT_ONCE) if size > 0 else MOST_AT_ONCE
            return b"".join(parts)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class ZipArchive(Archive):
    def __init__(self, file: IO[bytes], size_bytes: int, opened: ExitStack) -> None:
        self.size_bytes, self.folders, self._position = size_bytes, set(), 0
        self._archive = opened.enter_context(zipfile.ZipFile(file))
        self._entries = sorted(self._archive.infolist(), key=lambda entry: entry.header_offset)
        _refuse_overlaps(self._entries, self._archive.start_dir)

    def __iter__(self) -> Iterator[ZipMember]:
        names, meter = Names(), Meter(self.size_bytes)
        for entry in self._entries:
            raw = _name_of(entry)
            name = clean_name(raw)
            _refuse_odd_entry(entry, name)
            if raw.endswith("/"):
                names.add_folder(name)
                self.folders.add(name)
                continue
            names.add(name)
            member = ZipMember(self._archive, entry, name, meter)
            try:
                yield member
            finally:
                member.close()
            self._position = entry.header_offset + entry.compress_size

    @property
    def position(self) -> int:
        return self._position


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The name as stored: zipfile's own `filename` silently ends at a NUL.

    Names without the UTF-8 flag are read as UTF-8 nevertheless when they can be (common on Linux), else as code page 437;
    "\\" from old Windows programs counts as "/".
    """
    name = entry.orig_filename
    if not entry.flag_bits & UTF8_FLAG:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = entry.orig_filename
    return name.replace("\\", "/")


def _refuse_overlaps(entries: list[zipfile.ZipInfo], directory: int) -> None:
    """Entries that share bytes make a small file large; bytes in front make one file two (a picture and a zip)."""
    end = 0
    for entry in entries:
        if entry.header_offset < end or (end == 0 and entry.header_offset != 0):
            raise WorkbenchError(
                "archive.overlap",
                "Entries of the zip overlap, or something lies in front of the first one.",
                where=showable(entry.orig_filename),
                hint="Pack the folder again with an ordinary zip program.",
            )
        end = entry.header_offset + LOCAL_HEADER_BYTES + entry.compress_size
    if end > directory:
        raise WorkbenchError(
            "archive.overlap", "An entry of the zip reaches into its directory.", hint="Pack the folder again."
        )


def _refuse_odd_entry(entry: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise WorkbenchError(
            "archive.links",
            "The archive holds a link or a device; only files and folders are accepted.",
            where=showable(name),
            hint="Pack the files themselves.",
        )
    if entry.flag_bits & ENCRYPTED_FLAGS:
        raise WorkbenchError(
            "archive.encrypted", "The zip is encrypted.", where=showable(name), hint="Pack it again without a password."
        )
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise WorkbenchError(
            "archive.method",
            f"An entry of the zip is packed with method {entry.compress_type}; only stored (0) and deflated (8) are read.",
            where=showable(name),
            hint="Pack the folder again with the usual method.",
        )
