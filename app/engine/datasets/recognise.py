"""Which format a dataset has, which images belong to it in which order, and their labels.

1. A list of `file label` lines (`val.txt`, else another text of that form): its lines, in its order.
2. One folder per class: numbered names are labels; names of a class list have their place in it; else the order of names.
3. Images without labels, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from app.engine.datasets.class_folders import read_folders
from app.engine.datasets.class_names import ClassNames, is_names_file, parse_class_names
from app.engine.datasets.class_tree import build_tree
from app.engine.datasets.listing import LISTING_NAMES, is_image_name, looks_like_listing, read_listing
from app.engine.datasets.members import showable
from app.engine.datasets.recognised import Recognised, first_names, part_notice
from app.errors import WorkbenchError

MAX_TEXT_BYTES = 16 * 2**20
MAX_TEXTS = 64
"""Some sets have a text beside each image; a list of labels is not among thousands."""
ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")

ReadTexts = Callable[[Collection[str]], Mapping[str, str]]


def recognise(sizes: Mapping[str, int], folders: Collection[str], read_texts: ReadTexts) -> Recognised:
    """
    Args:
        sizes: Bytes of each file, by name.
        folders: Folders that are there even if nothing is in them.
        read_texts: Gives the texts of these files.

    Raises:
        WorkbenchError: `dataset.empty`, `archive.nested`, `dataset.bad_listing`, `dataset.label_out_of_range`.
    """
    files = {name: size for name, size in sizes.items() if not _is_clutter(name)}
    images = [name for name in files if is_image_name(name)]
    texts = read_texts(_texts_to_read(files))
    others = [name for name in files if name not in texts]
    names = _class_names(texts)
    if listings := _by_choice(texts, [name for name in texts if looks_like_listing(texts[name])]):
        return read_listing(listings, texts[listings[0]], others, images, names)
    if not images:
        raise _empty(sizes)
    tree = build_tree(images, folders, files)
    if len(tree.loose) < sum(len(inside) for inside in tree.folders.values()):
        return read_folders(tree, names)
    if named := _by_choice(texts, [name for name in texts if _base(name) in LISTING_NAMES]):
        return read_listing(named[:1], texts[named[0]], others, images, names)  # says what is wrong with it
    everything = sorted(set(images).difference(tree.unused))
    return Recognised("unlabelled", tuple((name, None) for name in everything), names.names, part_notice(tree))


def _is_clutter(name: str) -> bool:
    """What operating systems add to folders."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")) or name.endswith("Thumbs.db")


def _texts_to_read(files: Mapping[str, int]) -> list[str]:
    """Known names first, then the outermost."""
    texts = [name for name, size in files.items() if name.lower().endswith(".txt") and 0 < size <= MAX_TEXT_BYTES]

    def unknown(name: str) -> bool:
        return _base(name) not in LISTING_NAMES and not is_names_file(name)

    return sorted(texts, key=lambda name: (unknown(name), name.count("/"), name))[:MAX_TEXTS]


def _by_choice(texts: Mapping[str, str], listings: Collection[str]) -> list[str]:
    """Known names in their order, the outermost, the longest."""

    def rank(name: str) -> tuple[int, int, int, str]:
        place = LISTING_NAMES.index(_base(name)) if _base(name) in LISTING_NAMES else len(LISTING_NAMES)
        return place, name.count("/"), -len(texts[name]), name

    return sorted(listings, key=rank)


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _class_names(texts: Mapping[str, str]) -> ClassNames:
    files = (name for name in texts if is_names_file(name) and not looks_like_listing(texts[name]))
    named = sorted(files, key=lambda name: (name.count("/"), name))
    return parse_class_names(texts[named[0]]) if named else ClassNames()


def _empty(sizes: Collection[str]) -> WorkbenchError:
    inner = sorted(name for name in sizes if name.lower().endswith(ARCHIVE_SUFFIXES))
    if inner:
        return WorkbenchError(
            "archive.nested",
            f"There are no images, but {len(inner):,} archives in it ({first_names(inner)}).",
            where=showable(inner[0]),
            hint="Unpack the inner archives and pack the images in one.",
        )
    return WorkbenchError(
        "dataset.empty",
        f"A dataset needs at least 1 image, but this one has 0 in {len(sizes):,} files.",
        hint="Images end with .jpg, .png, .bmp, .webp or .gif.",
    )
