"""Archives: what ordinary tools pack comes out as it went in; everything else is refused with a code and what to do."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.engine.datasets.archive import open_archive
from app.errors import WorkbenchError
from tests.support.archive_builder import write_tar, write_zip

FILES = {
    "a/one.bin": bytes(range(256)) * 40,
    "a/b/two.bin": b"",
    "three.txt": "α β\n".encode(),
    "ünï cödé.bin": b"x" * 3_000_000,
}
KINDS = ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"]


def contents(path: Path) -> dict[str, bytes]:
    with open_archive(path) as archive:
        return {member.name: member.read() for member in archive}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    return write_zip(path, files) if path.suffix == ".zip" else write_tar(path, files)


def refusal(path: Path) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as refused:
        contents(path)
    assert str(path.parent) not in str(refused.value)
    return refused.value


def tar_entry(path: Path, kind: bytes, name: str = "entry.png", link: str = "") -> Path:
    with tarfile.open(path, "w") as out:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        out.addfile(info)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_packed_comes_out(tmp_path, kind):
    assert contents(pack(tmp_path / kind, FILES)) == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_reading_in_pieces_or_not_at_all_changes_nothing(tmp_path, kind):
    path = pack(tmp_path / kind, FILES)
    with open_archive(path) as archive:
        for member in archive:
            if member.name == "ünï cödé.bin":
                pieces = list(iter(lambda: member.read(999_999), b""))  # noqa: B023  # used up in this turn
                assert b"".join(pieces) == FILES[member.name]
        assert archive.position <= archive.size_bytes == path.stat().st_size


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_off_anywhere_is_never_taken_for_a_whole_one(tmp_path, kind):
    whole = pack(tmp_path / kind, {f"{n}.bin": bytes([n]) * 700 for n in range(4)}).read_bytes()
    path = tmp_path / f"cut-{kind}"
    # the zero blocks that fill a plain tar's last record may be missing: every file is there
    ends = len(whole) if kind != "x.tar" else 4 * (512 + 1024) + 512
    for size in range(1, ends, max(1, ends // 60)):
        path.write_bytes(whole[:size])
        assert refusal(path).code in {"dataset.truncated_archive", "dataset.not_archive"}


def test_leading_dots_and_folders_are_ordinary(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as out:
        for name in (".", "./empty", "./full"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            out.addfile(info)
        info = tarfile.TarInfo("./full/file.png")
        info.size = 2
        out.addfile(info, io.BytesIO(b"ab"))
    with open_archive(tmp_path / "x.tar") as archive:
        assert [member.name for member in archive] == ["full/file.png"]
        assert {"empty", "full"} <= archive.folders


def test_old_windows_separators_mean_folders(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(write_zip(tmp_path / "y.zip", {"a/b.png": b"data"}).read_bytes().replace(b"a/b.png", b"a\\b.png"))
    assert contents(path) == {"a/b.png": b"data"}


@pytest.mark.parametrize(
    "name", ["../up.png", "a/../../up.png", "/abs.png", "C:/x.png", "a\nb.png", "x" * 256 + ".png", "a/" * 33 + "b"]
)
@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_names_that_lead_outside_or_cannot_be_shown_are_refused(tmp_path, kind, name):
    assert refusal(pack(tmp_path / kind, {name: b"1"})).code == "archive.unsafe_name"


def test_a_nul_in_a_zip_name_is_seen(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(write_zip(tmp_path / "y.zip", {"a_b.png": b"1"}).read_bytes().replace(b"a_b.png", b"a\0b.png"))
    assert refusal(path).code == "archive.unsafe_name"


@pytest.mark.parametrize(
    ("kind", "link"),
    [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "other"), (tarfile.CHRTYPE, ""), (tarfile.FIFOTYPE, "")],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, link):
    error = refusal(tar_entry(tmp_path / "x.tar", kind, link=link))
    assert (error.code, error.where) == ("archive.links", "entry.png")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        out.writestr(info, "/etc/passwd")
    assert refusal(tmp_path / "x.zip").code == "archive.links"


@pytest.mark.parametrize("files", [{"a": b"1", "a/b": b"2"}, {"a/b": b"1", "a": b"2"}], ids=["file-first", "folder-first"])
def test_a_name_is_not_file_and_folder(tmp_path, files):
    assert refusal(write_zip(tmp_path / "x.zip", files)).code == "archive.duplicate_name"


def test_the_same_name_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as out:
        for _ in range(2):
            out.addfile(tarfile.TarInfo("a.png"))
    assert refusal(tmp_path / "x.tar").code == "archive.duplicate_name"


def test_a_changed_byte_is_noticed(tmp_path):
    packed = bytearray(write_zip(tmp_path / "x.zip", {"a.bin": b"hello" * 10}, zipfile.ZIP_STORED).read_bytes())
    packed[packed.index(b"hello")] ^= 1
    (tmp_path / "x.zip").write_bytes(packed)
    assert refusal(tmp_path / "x.zip").code == "dataset.truncated_archive"


@pytest.mark.parametrize(("offset", "value"), [(6, 0xFF), (8, 0x20), (46, 0xFF)], ids=["version", "patched", "name"])
def test_broken_fields_of_a_zip_directory_are_damage(tmp_path, offset, value):
    packed = bytearray(write_zip(tmp_path / "x.zip", {"ü.bin": b"hello"}).read_bytes())
    packed[packed.index(b"PK\x01\x02") + offset] = value
    (tmp_path / "x.zip").write_bytes(packed)
    assert refusal(tmp_path / "x.zip").code == "dataset.truncated_archive"


@pytest.mark.parametrize("kind", ["x.zip", "x.tar.gz"])
def test_a_small_file_that_becomes_large_is_stopped_while_unpacking(tmp_path, kind):
    assert refusal(pack(tmp_path / kind, {"z.png": bytes(200 * 2**20)})).code == "archive.bomb"


def test_a_size_that_no_disk_has_is_refused_before_reading(tmp_path):
    info = tarfile.TarInfo("z.png")
    info.size = 2**50
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert refusal(tmp_path / "x.tar").code == "archive.too_large"


def test_a_header_that_only_carries_a_name_has_a_limit(tmp_path):
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**40
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert refusal(tmp_path / "x.tar").code == "archive.unsafe_name"


def test_entries_over_the_same_bytes_are_refused(tmp_path):
    packed = write_zip(tmp_path / "x.zip", {"a.png": b"1", "b.png": b"2"}).read_bytes()
    second = packed.index(b"PK\x03\x04", 4)
    (tmp_path / "x.zip").write_bytes(packed.replace(struct.pack("<I", second) + b"b.png", struct.pack("<I", 0) + b"b.png"))
    assert refusal(tmp_path / "x.zip").code == "archive.overlap"


def test_something_in_front_of_a_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"\x89PNG" * 5 + write_zip(tmp_path / "y.zip", {"a.png": b"1"}).read_bytes())
    assert refusal(tmp_path / "x.zip").code == "archive.overlap"


@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(5000), gzip.compress(b"no tar" * 200)], ids=["empty", "text", "zeros", "gz"]
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    error = refusal(tmp_path / "x")
    assert error.code == "dataset.not_archive"
    assert error.hint


def test_a_full_disk_of_the_caller_is_not_taken_for_a_damaged_archive(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.png": b"1"})
    with pytest.raises(OSError, match="No space left"), open_archive(path):
        raise OSError(28, "No space left on device")
