"""One folder per class: which label each folder stands for."""

from __future__ import annotations

import re
from collections.abc import Collection

from app.engine.datasets.class_names import MAX_CLASSES, ClassNames
from app.engine.datasets.class_tree import Tree
from app.engine.datasets.listing import MAX_LABEL
from app.engine.datasets.recognised import Recognised, count_notice, fit_class_names, part_notice
from app.errors import WorkbenchError

_NUMBER = re.compile(r"[0-9]{1,7}")


def read_folders(tree: Tree, names: ClassNames) -> Recognised:
    """Samples in the order of labels, then of names.

    Raises:
        WorkbenchError: `dataset.too_many_classes`.
    """
    folders = tuple(tree.folders)
    if len(folders) > MAX_CLASSES:
        raise WorkbenchError(
            "dataset.too_many_classes",
            f"The images lie in {len(folders):,} folders, and each would be a class; at most {MAX_CLASSES:,} can be.",
            hint="Put all images in one folder, beside a val.txt if they have labels.",
        )
    empty = [folder for folder, images in tree.folders.items() if not images]
    notices = [
        *part_notice(tree),
        *count_notice(tree.loose, "dataset.image_without_label", "in no class folder and left out", "Move them into one."),
        *count_notice(empty, "dataset.empty_class", "without images", "Labels count them all the same.", noun="class folder"),
    ]
    if (labels := numeric_labels(folders)) is not None:
        class_names, named = fit_class_names(names.names, tuple(labels.values()))
        notices += named
    elif (labels := names.labels_of(folders)) is not None:
        class_names = names.names
    else:
        labels, class_names = sorted_labels(folders), tuple(sorted(folders))
    by_label = sorted(tree.folders.items(), key=lambda item: labels[item[0]])
    samples = tuple((name, labels[folder]) for folder, images in by_label for name in images)
    return Recognised("class-folders", samples, class_names, tuple(notices))


def numeric_labels(folders: Collection[str]) -> dict[str, int] | None:
    """Folders called 0, 1, 002, …: the names are the labels, if all are and no two mean the same."""
    if not all(_NUMBER.fullmatch(folder) for folder in folders):
        return None
    labels = {folder: int(folder) for folder in folders}
    distinct = len(set(labels.values())) == len(labels)
    return labels if distinct and max(labels.values()) <= MAX_LABEL else None


def sorted_labels(folders: Collection[str]) -> dict[str, int]:
    """By the order of names, as torchvision's ImageFolder."""
    return {folder: label for label, folder in enumerate(sorted(folders))}
