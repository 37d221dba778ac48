"""Whatever is uploaded: images or a reason, lines or a refusal, labels that follow the names."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.engine.datasets.class_folders import sorted_labels
from app.engine.datasets.description import DatasetIndex
from app.engine.datasets.file_finder import FileFinder
from app.engine.datasets.images import UnreadableImageError, decode_image
from app.engine.datasets.listing import looks_like_listing, parse_listing
from app.engine.datasets.recognise import recognise
from app.engine.records import read_json
from app.engine.stages.inspect_dataset import Result, Spec, run
from app.engine.stages.samples import Samples
from app.errors import WorkbenchError
from tests.support.archive_builder import write_tar, write_zip
from tests.support.stage_runs import stage_context


def _encoded(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (20, 30, 3), np.uint8)) for n in range(2)]
    frames[0].save(out, kind, **({"save_all": True, "append_images": frames[1:]} if kind in ("GIF", "WEBP") else {}))
    return out.getvalue()


WHOLE = {kind: _encoded(kind) for kind in ("JPEG", "PNG", "BMP", "WEBP", "GIF")}
damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)
T = TypeVar("T")
part = st.text(st.sampled_from("abcXYZ019 -_äé"), min_size=1, max_size=6).map(str.strip).filter(bool)


def outcome_of(call: Callable[[], T]) -> T | UnreadableImageError | WorkbenchError:
    try:
        return call()
    except (UnreadableImageError, WorkbenchError) as error:
        return error


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(WHOLE)), changed=damage, kept=st.floats(0, 1))
def test_a_damaged_image_is_an_image_or_has_a_reason(kind: str, changed: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(WHOLE[kind])
    for place, value in changed:
        data[int(place * len(data))] = value
    outcome = outcome_of(lambda: decode_image(bytes(data[: round(kept * len(data))])))
    if isinstance(outcome, Image.Image):
        assert outcome.convert("RGB").size == outcome.size
    else:
        assert 0 < len(str(outcome)) < 200


@given(st.text(max_size=200))
def test_any_text_is_lines_or_a_refusal(text: str) -> None:
    looks_like_listing(text)
    outcome = outcome_of(lambda: parse_listing(text, "val.txt"))
    if isinstance(outcome, tuple):
        assert all(line.file and 0 <= line.label <= 100_000 for line in outcome)
    else:
        assert isinstance(outcome, WorkbenchError)
        assert outcome.where.startswith("val.txt")


@given(st.dictionaries(part.map("{}.jpg".format), st.integers(0, 100_000), min_size=1), st.sampled_from([" ", "\t", ", ", ";"]))
def test_a_listing_reads_as_it_was_written(labels: dict[str, int], separator: str) -> None:
    text = "".join(f"{name}{separator}{label}\n" for name, label in labels.items())
    assert looks_like_listing(text)
    assert {line.file: line.label for line in parse_listing(text, "val.txt")} == labels


@given(st.sets(st.lists(part, min_size=1, max_size=3).map("/".join), min_size=1, max_size=20))
def test_a_file_is_found_by_its_whole_name(names: set[str]) -> None:
    finder = FileFinder(sorted(names), "val.txt")
    assert all(finder.find(name) == name for name in names)


@given(st.sets(st.tuples(part, part), min_size=2, max_size=20), st.sampled_from(["", "top/", "top/inner/"]), st.randoms())
def test_class_folders_do_not_depend_on_order_or_on_what_they_lie_in(pairs: set[tuple[str, str]], top: str, random) -> None:
    """Against a literal transcription of torchvision's ImageFolder."""
    if len({folder for folder, _ in pairs}) < 2:
        return
    names = [f"{top}{folder}/{file}.png" for folder, file in pairs]
    random.shuffle(names)
    result = recognise(dict.fromkeys(names, 1), (), lambda _: {})
    folders = sorted({folder for folder, _ in pairs})
    if all(folder.isdigit() and folder.isascii() for folder in folders):
        return
    class_to_idx = {name: i for i, name in enumerate(folders)}
    assert dict(result.samples) == {f"{top}{folder}/{file}.png": class_to_idx[folder] for folder, file in pairs}
    assert sorted_labels(folders) == class_to_idx


@settings(max_examples=40, deadline=None)
@given(
    pictures=st.dictionaries(part, st.integers(0, 255), min_size=1, max_size=6),
    labels=st.lists(st.integers(0, 9), min_size=6, max_size=6),
    form=st.sampled_from(["zip", "tar.gz", "folder"]),
    changed=damage,
)
def test_any_upload_is_a_dataset_or_a_refusal(
    pictures: dict[str, int], labels: list[int], form: str, changed: list[tuple[float, int]]
) -> None:
    files = {f"{name}.bmp": _bmp(value) for name, value in pictures.items()}
    expected = dict(zip(files, labels, strict=False))
    files["val.txt"] = "".join(f"{name} {label}\n" for name, label in expected.items()).encode()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        upload = _written(folder, form, files)
        if changed and form != "folder":
            data = bytearray(upload.read_bytes())
            for place, value in changed:
                data[int(place * len(data))] = value
            upload.write_bytes(data)
        context, _ = stage_context(folder / "stage")
        result = outcome_of(lambda: run(Spec(upload, "upload"), context))
        if not isinstance(result, Result):
            assert changed
            assert isinstance(result, WorkbenchError)
            assert result.code.startswith(("dataset.", "archive."))
            assert scratch not in str(result)
            return
        index = read_json(DatasetIndex, folder / "stage" / result.index_file)
        assert changed or {sample.name: sample.label for sample in index.samples} == expected
        with Samples(
            folder / "stage" / "index.json", folder / "stage" / "samples.pack" if result.pack_file else None
        ) as samples:
            for n in range(len(samples)):
                assert samples.decode(n).size == (samples[n].width, samples[n].height)


def _bmp(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 255 - value, 7)).save(out, "BMP")
    return out.getvalue()


def _written(folder: Path, form: str, files: dict[str, bytes]) -> Path:
    if form == "zip":
        return write_zip(folder / "upload.zip", files)
    if form == "tar.gz":
        return write_tar(folder / "upload.tar.gz", files)
    (folder / "upload").mkdir()
    for name, data in files.items():
        (folder / "upload" / name).write_bytes(data)
    return folder / "upload"
