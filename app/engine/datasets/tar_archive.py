"""Tar files, plain or compressed, read as a stream from front to back."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, Self, cast

from app.engine.datasets.members import Archive, Member, Meter, Names, clean_name, damage_explained, showable
from app.errors import WorkbenchError

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
BLOCK = tarfile.BLOCKSIZE
MOST_AT_ONCE = 2**20
"""Bytes unpacked between two looks at the limits."""
LARGEST_EXTENSION = 2**20
"""Bytes of a header that only carries a long name or attributes; tarfile reads any size into memory."""
EXTENSIONS = (*tarfile.GNU_TYPES, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def tar_stream(file: IO[bytes]) -> IO[bytes] | None:
    """The unpacked stream when `file` is compressed or starts with a tar header, else None."""
    start = file.read(BLOCK)
    file.seek(0)
    if start.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if start.startswith(BZIP2):
        return bz2.BZ2File(file)
    if start.startswith(XZ):
        return lzma.LZMAFile(file)
    return file if _is_header(start) else None


def _is_header(block: bytes) -> bool:
    """Whether its checksum is right."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


class _CountedStream:
    """What is read is counted, the bytes between members included."""

    def __init__(self, stream: IO[bytes], meter: Meter) -> None:
        self._stream, self._meter = stream, meter

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, MOST_AT_ONCE) if size >= 0 else MOST_AT_ONCE)
        self._meter.add(len(data))
        return data


class _StrictHeader(tarfile.TarInfo):
    """tarfile takes a file that ends before its end mark for a complete one; images would be missing without a word."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        file = cast("Any", archive).fileobj
        block = file.read(BLOCK)
        if archive.offset and len(block) < BLOCK:
            message = "it ends before its end mark"
            raise EOFError(message)
        if archive.offset and any(block) and not _is_header(block):
            message = "a header's checksum is wrong"
            raise EOFError(message)
        header = cls.frombuf(block, "utf-8", "surrogateescape")
        if header.type in EXTENSIONS and not 0 <= header.size <= LARGEST_EXTENSION:
            raise WorkbenchError("archive.unsafe_name", f"The name of an entry is longer than {LARGEST_EXTENSION:,} bytes.")
        header.offset = file.tell() - BLOCK
        complete: Self = cast("Any", header)._proc_member(archive)  # merges the extensions in front of a header into it
        return complete


class TarMember(Member):
    def __init__(self, name: str, size_bytes: int, stream: IO[bytes]) -> None:
        self.name, self.size_bytes, self._stream = name, size_bytes, stream

    def read(self, size: int = -1) -> bytes:
        with damage_explained():
            return self._stream.read(size)  # counted in the stream the archive lies in


class TarArchive(Archive):
    def __init__(self, stream: IO[bytes], file: IO[bytes], size_bytes: int, opened: ExitStack) -> None:
        """
        Args:
            stream: As `tar_stream` gave it.
            file: The archive file below it, whose position tells the progress.
        """
        self.size_bytes, self.folders = size_bytes, set()
        self._file, self._meter = file, Meter(size_bytes)
        self._stream = cast("IO[bytes]", _CountedStream(stream, self._meter))
        try:
            archive = tarfile.open(fileobj=self._stream, mode="r|", tarinfo=_StrictHeader)  # noqa: SIM115  # closed by `opened`
        except tarfile.ReadError as error:
            raise WorkbenchError(
                "dataset.not_archive",
                "What is packed in this file is not a tar archive.",
                hint="Pack the folder with the images as .zip, .tar or .tar.gz.",
            ) from error
        self._archive = opened.enter_context(archive)

    def __iter__(self) -> Iterator[TarMember]:
        names = Names()
        while (entry := self._next()) is not None:
            name = clean_name(_decoded(entry.name))
            if entry.isdir():
                names.add_folder(name)
                self.folders.add(name)
                continue
            self._refuse_odd_entry(entry, name)
            names.add(name)
            stream = self._archive.extractfile(entry)
            assert stream is not None  # regular
            yield TarMember(name, entry.size, stream)

    def _next(self) -> tarfile.TarInfo | None:
        cast("Any", self._archive).members.clear()  # else memory grows with every member
        with damage_explained():
            entry = self._archive.next()
            while entry is None and self._stream.read(MOST_AT_ONCE):
                pass  # to the end of the file, where the packer's checksum stands
            return entry

    @property
    def position(self) -> int:
        return self._file.tell()

    def _refuse_odd_entry(self, entry: tarfile.TarInfo, name: str) -> None:
        if not entry.isreg() or entry.issparse():
            raise WorkbenchError(
                "archive.links",
                "The archive holds a link, a device or a file with holes; only ordinary files and folders are accepted.",
                where=showable(name),
                hint="Pack the files themselves (tar --dereference).",
            )
        self._meter.announce(entry.size, name)


def _decoded(name: str) -> str:
    """Bytes that are no UTF-8 read as Latin-1, so that every name can be stored and shown."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    return name
