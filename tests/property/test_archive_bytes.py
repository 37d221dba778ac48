"""Whatever bytes an archive is made of: its files, or a refusal of ours, and nothing else."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.engine.datasets.archive import open_archive
from app.engine.datasets.members import clean_name
from app.errors import WorkbenchError


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"folder/{n}.png", bytes([n]) * 300)
    return out.getvalue()


def _tar(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name in ("folder/ä.png", "n" * 200 + ".png"):
            info = tarfile.TarInfo(name)
            info.size = 300
            archive.addfile(info, io.BytesIO(bytes(300)))
    return out.getvalue()


WHOLE = [_zip(), _tar("w"), _tar("w:gz"), _tar("w:bz2"), _tar("w:xz")]
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(which=st.sampled_from(range(len(WHOLE))), changed=changes, kept=st.floats(0, 1))
@example(which=1, changed=[(0.01, 255)], kept=1.0)
def test_damaged_archives_give_files_or_a_refusal(which, changed, kept):
    data = bytearray(WHOLE[which])
    for place, value in changed:
        data[int(place * len(data))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data[: round(kept * len(data))])
        refused = _go_through(path)
        if refused is not None:
            assert refused.code.startswith(("archive.", "dataset."))
            assert folder not in str(refused)


def _go_through(path: Path) -> WorkbenchError | None:
    try:
        with open_archive(path) as archive:
            for member in archive:
                member.read()
                assert clean_name(member.name) == member.name
    except WorkbenchError as error:
        return error
    return None


@given(st.text(max_size=60))
@example("a/../b")
@example("C:\\x")
def test_a_name_that_passes_stays_inside_and_passes_again(name):
    try:
        cleaned = clean_name(name)
    except WorkbenchError:
        return
    assert clean_name(cleaned) == cleaned
    assert not cleaned.startswith("/")
    assert ".." not in cleaned.split("/")
    assert "\0" not in cleaned
