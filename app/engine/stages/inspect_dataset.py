"""Stage: which images, which labels? An uploaded archive becomes a pack and an index; a local folder only an index.

The archive is gone through three times (names, texts, images), because a tar cannot be read in the order of its listing, and
that listing is often its last file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.engine.datasets.archive import open_archive
from app.engine.datasets.description import DatasetDescription
from app.engine.datasets.examination import Files, Pack, examine
from app.engine.datasets.folder_members import FolderMembers
from app.engine.datasets.images import encode_thumbnail
from app.engine.datasets.recognise import MAX_TEXT_BYTES, recognise
from app.engine.datasets.recognised import Recognised
from app.engine.datasets.summary import Findings, build_index, describe
from app.engine.datasets.texts import as_text
from app.engine.records import write_json
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.samples import Samples, spread
from app.errors import WorkbenchError

THUMBNAILS = 24
INDEX, PACK = "index.json", "samples.pack"


@dataclass(frozen=True)
class Spec:
    upload: Path
    """An archive, or a local folder."""
    filename: str
    """As the user called it."""


@dataclass(frozen=True)
class Result:
    description: DatasetDescription
    index_file: str
    pack_file: str
    """"" for a folder."""
    thumbnail_files: tuple[str, ...]


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: see `open_archive`, `recognise` and `build_index`; `stage.disk_full`. An error without a place of its
            own is about the file.
    """
    try:
        return _inspect(spec.upload, context)
    except WorkbenchError as error:
        raise WorkbenchError(error.code, error.message, where=error.where or spec.filename, hint=error.hint) from error


def _inspect(upload: Path, context: StageContext) -> Result:
    is_folder = upload.is_dir()
    pack = None if is_folder else context.folder / PACK
    context.report(Progress(0, 1, "reading the names of the files"))
    sizes, folders = _list_files(upload)
    context.report(Progress(0, len(sizes), f"{len(sizes):,} files"))
    recognised = recognise(sizes, folders, lambda names: _read_texts(upload, names))
    findings = _examine(upload, recognised, pack, context)
    index = build_index(recognised, findings, str(upload.absolute()) if is_folder else "")
    write_json(context.folder / INDEX, index)
    numbers = spread(len(index.samples), THUMBNAILS)
    thumbnails = _write_thumbnails(context.folder, pack, numbers)
    total = len(recognised.samples)
    context.report(Progress(total, total, f"{len(index.samples):,} of {total:,} images can be used"))
    return Result(describe(recognised, index, findings, sizes, numbers), INDEX, PACK if pack else "", thumbnails)


@contextmanager
def _files(upload: Path) -> Iterator[Files]:
    if upload.is_dir():
        yield FolderMembers(upload)
    else:
        with open_archive(upload) as archive:
            yield archive


def _list_files(upload: Path) -> tuple[dict[str, int], Collection[str]]:
    """Size of each file by name, and the folders that are there."""
    with _files(upload) as files:
        sizes = {file.name: file.size_bytes for file in files}
        return sizes, files.folders


def _read_texts(upload: Path, names: Collection[str]) -> Mapping[str, str]:
    texts: dict[str, str] = {}
    if not names:
        return texts
    wanted = set(names)
    with _files(upload) as files:
        for file in files:
            if file.name in wanted:
                texts[file.name] = as_text(file.read(MAX_TEXT_BYTES))
                if len(texts) == len(wanted):
                    break
    return texts


def _examine(upload: Path, recognised: Recognised, pack: Path | None, context: StageContext) -> Findings:
    labels = dict(recognised.samples)
    with _files(upload) as files, Pack(pack) as out:
        return examine(files, labels, out, context.threads, lambda done: context.report(Progress(done, len(labels))))


def _write_thumbnails(folder: Path, pack: Path | None, numbers: list[int]) -> tuple[str, ...]:
    names = []
    with Samples(folder / INDEX, pack) as samples:
        for number in numbers:
            names.append(f"thumb-{number}.jpg")
            (folder / names[-1]).write_bytes(encode_thumbnail(samples.decode(number)))
    return tuple(names)
