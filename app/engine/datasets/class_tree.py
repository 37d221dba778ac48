"""Where, in a tree of folders with images, the level lies whose folders are the classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

NO_CLASSES = (
    "val", "validation", "valid", "test", "testing", "train", "training",
    "images", "imgs", "jpegimages", "masks", "labels", "annotations",
)  # fmt: skip
"""Folders of these names, when there are no others beside them, hold parts of a dataset; the first one present is used."""


@dataclass(frozen=True)
class Tree:
    base: str
    """Folder that holds the class folders, with "/" at its end; "" for the top."""
    folders: dict[str, list[str]]
    """Class folder -> its images, both in the order of names; empty when images lie in no folders below the base."""
    loose: list[str]
    """Images directly in the base."""
    unused: list[str]
    """Images of other parts, such as `train` beside `val`."""


def build_tree(images: Sequence[str], folders: Collection[str], files: Collection[str]) -> Tree:
    """
    Args:
        images: Names of the candidates, not empty.
        folders: Folders with an entry of their own: an empty class folder still takes part in the numbering.
        files: All files: a folder with files but no images is no class.
    """
    base, used = "", sorted(images)
    while True:
        level, loose = _split(used, base)
        if loose or not level:
            break
        if len(level) == 1:
            base += next(iter(level)) + "/"
            continue
        part = next((name for name in NO_CLASSES for folder in level if folder.lower() == name), None)
        if part is None or not all(folder.lower() in NO_CLASSES for folder in level):
            break
        chosen = next(folder for folder in level if folder.lower() == part)
        base, used = f"{base}{chosen}/", level[chosen]
    if level:
        level |= {folder: [] for folder in _empty_folders(base, folders, files)}
    unused = sorted(set(images).difference(used))
    return Tree(base, {folder: level[folder] for folder in sorted(level)}, loose, unused)


def _split(images: Sequence[str], base: str) -> tuple[dict[str, list[str]], list[str]]:
    """Images by the first folder below `base`, and those in no folder."""
    level: dict[str, list[str]] = defaultdict(list)
    loose = []
    for name in images:
        folder, slash, _ = name[len(base) :].partition("/")
        if slash:
            level[folder].append(name)
        else:
            loose.append(name)
    return dict(level), loose


def _empty_folders(base: str, folders: Collection[str], files: Collection[str]) -> set[str]:
    """Folders directly in `base` with nothing in them at all."""
    here = {name[len(base) :] for name in folders if name.startswith(base)}
    direct = {name for name in here if name and "/" not in name and not name.startswith((".", "__"))}
    filled = {name[len(base) :].partition("/")[0] for name in files if name.startswith(base)}
    return direct - filled
