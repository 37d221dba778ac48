"""Names of classes from a text file: one per line, or with an id (`n01440764 tench, Tinca tinca`) or number in front."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_STEMS = """
    imagenet_labels imagenet_classes imagenet_class_names class_names classnames classes labels label_names names categories
    synset_words synsets
"""
FILE_NAMES = frozenset(f"{stem}.txt" for stem in _STEMS.split())
LONGEST = 80
MAX_CLASSES = 30_000
"""ImageNet-21k has 21,841; a longer text is no list of classes."""
_WORDNET = re.compile(r"(?P<id>n[0-9]{8})\s+(?P<name>\S.*)")
_NUMBERED = re.compile(r"(?P<id>[0-9]{1,9})[\s:,;=]+(?P<name>\S.*)")


@dataclass(frozen=True)
class ClassNames:
    names: tuple[str, ...] = ()
    """By label."""
    ids: tuple[str, ...] = ()
    """WordNet ids by label, where the file has them."""

    def labels_of(self, folders: Sequence[str]) -> dict[str, int] | None:
        """The label of each folder, when every one is called by an id or a name of this file."""
        for keys in (self.ids, self.names):
            positions = {key: label for label, key in enumerate(keys)}
            if len(positions) == len(keys) and all(folder in positions for folder in folders):
                return {folder: positions[folder] for folder in folders}
        return None


def is_names_file(name: str) -> bool:
    return name.rpartition("/")[2].lower().replace("-", "_") in FILE_NAMES


def parse_class_names(text: str) -> ClassNames:
    """No names for a text that is too long."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) > MAX_CLASSES:
        return ClassNames()
    wordnet = [match for line in lines if (match := _WORDNET.fullmatch(line))]
    if len(wordnet) == len(lines):
        return ClassNames(_first_synonyms([match["name"] for match in wordnet]), tuple(match["id"] for match in wordnet))
    numbered = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    if [int(match["id"]) for match in numbered] == list(range(len(lines))):
        lines = [match["name"] for match in numbered]
    return ClassNames(tuple(_clean(line) for line in lines))


def _first_synonyms(full: Sequence[str]) -> tuple[str, ...]:
    """`tench` of `tench, Tinca tinca`; the whole line where two classes share the first word (crane, bird and machine)."""
    first = [name.partition(",")[0].strip() for name in full]
    uses = Counter(first)
    return tuple(_clean(short if uses[short] == 1 else name) for short, name in zip(first, full, strict=True))


def _clean(name: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in name).strip("'\", ")
    return printable if len(printable) <= LONGEST else printable[: LONGEST - 1] + "…"
