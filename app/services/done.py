"""What was done to a model, for the pages, the report and the command line: from the recipe, in words and rows. Pure.

Recipes of earlier versions have no rewrites, noise or kernels: their parts are empty, and nothing is said about them.
A reason may carry a detail of its node after a colon (`slower in INT8 here: 41 µs against 35 µs`); nodes are grouped by what
stands before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.engine.quantize.recipe import KernelReport, NoiseShare, Recipe
from app.services import wording
from app.services.settings_words import differences

SHOWN_NOISE = 8
DETAIL = ": "


@dataclass(frozen=True)
class KeptNode:
    name: str
    detail: str
    """What the reason says of this node alone; may be empty."""


@dataclass(frozen=True)
class KeptGroup:
    """Nodes that stay in float for one reason."""

    reason: str
    nodes: tuple[KeptNode, ...]


@dataclass(frozen=True)
class NoiseRow:
    node: str
    op_type: str
    share: float
    """Of the whole noise, 0..1."""
    percent: str
    bar: float
    """Length of the bar: the share relative to the largest, 0..1."""
    action: str


@dataclass(frozen=True)
class Judged:
    """A candidate that held-out samples decided on."""

    name: str
    result: str
    taken: bool


@dataclass(frozen=True)
class Done:
    settings: tuple[str, ...]
    """Only what differs from the usual."""
    integer_share: str
    """Of the multiply-adds, `98.2 %`; empty when it is not known."""
    kernels: tuple[str, ...]
    """What the runtime does with the file, one sentence each."""
    rewrites: tuple[tuple[str, tuple[str, ...]], ...]
    """(name, nodes)."""
    kept: tuple[KeptGroup, ...]
    """The largest group first."""
    kept_nodes: int
    nodes: int
    """In INT8 and in float together."""
    noise: tuple[NoiseRow, ...]
    noise_rest: str
    """What the rows that are not shown make together; may be empty."""
    candidates: tuple[Judged, ...]
    seconds: tuple[tuple[str, str], ...]
    """(step, time)."""


def what_was_done(recipe: Recipe, seconds: Mapping[str, float] | None = None) -> Done:
    """
    Args:
        seconds: By step, in the order of the run.
    """
    kept, in_int8 = recipe.kept_in_float, len(recipe.quantized_nodes)
    return Done(
        settings=differences(recipe.settings),
        integer_share=_integer_share(recipe.kernels),
        kernels=_kernels(recipe.kernels),
        rewrites=tuple((rewrite.name, rewrite.nodes) for rewrite in recipe.rewrites),
        kept=kept_groups(kept),
        kept_nodes=len(kept),
        nodes=len(kept) + in_int8,
        noise=_noise(recipe.noise),
        noise_rest=_noise_rest(recipe.noise[SHOWN_NOISE:]),
        candidates=_candidates(recipe.details.get("weights")),
        seconds=tuple((label, wording.duration(value)) for label, value in (seconds or {}).items()),
    )


def kept_groups(kept: Mapping[str, str]) -> tuple[KeptGroup, ...]:
    """Nodes by reason, the largest group first, nodes in the order of the graph."""
    groups: dict[str, list[KeptNode]] = {}
    for node, reason in kept.items():
        head, _, detail = reason.partition(DETAIL)
        groups.setdefault(head, []).append(KeptNode(node, detail))
    return tuple(KeptGroup(reason, tuple(nodes)) for reason, nodes in sorted(groups.items(), key=lambda group: -len(group[1])))


def kept_clause(kept: Mapping[str, str], most: int = 3) -> str:
    """`30 × slower in INT8 here, 4 × no constant weights and 2 more`: why nodes are in float, the largest groups first."""
    groups = kept_groups(kept)
    said = [f"{wording.count(len(group.nodes))} × {group.reason}" for group in groups[:most]]
    rest = sum(len(group.nodes) for group in groups[most:])
    return ", ".join(said) + (f" and {wording.count(rest)} more" if rest else "")


def effort_seconds(result: Mapping[str, Any] | None) -> dict[str, float]:
    """Seconds by step, as a finished run keeps them; empty when it has none."""
    seconds = ((result or {}).get("effort") or {}).get("seconds")
    return dict(seconds) if isinstance(seconds, dict) else {}


def _integer_share(kernels: KernelReport | None) -> str:
    if kernels is None or kernels.integer_multiply_adds is None:
        return ""
    share = kernels.integer_multiply_adds
    return wording.percent(min(share, 0.999) if share < 1 else 1.0)  # nothing but all of them reads as 100 %


def _kernels(kernels: KernelReport | None) -> tuple[str, ...]:
    if kernels is None:
        return ()
    weighted = kernels.integer_kernels + kernels.float_kernels
    conversions = f"{wording.count(kernels.conversions)} {'conversion' if kernels.conversions == 1 else 'conversions'}"
    counted = (
        f"{wording.count(kernels.integer_kernels)} of {wording.count(weighted)} operators with weights run in integer kernels"
    )
    return (f"{counted}, with {conversions} between INT8 and float.", *kernels.surprises)


def _noise(noise: tuple[NoiseShare, ...]) -> tuple[NoiseRow, ...]:
    largest = max((entry.share for entry in noise), default=0.0) or 1.0
    return tuple(
        NoiseRow(entry.node, entry.op_type, entry.share, _share(entry.share), entry.share / largest, entry.action)
        for entry in noise[:SHOWN_NOISE]
    )


def _noise_rest(rest: tuple[NoiseShare, ...]) -> str:
    if not rest:
        return ""
    together = _share(sum(entry.share for entry in rest))
    return (
        f"1 more group makes {together}."
        if len(rest) == 1
        else f"{wording.count(len(rest))} more groups make {together} together."
    )


def _share(share: float) -> str:
    return "under 0.1 %" if 0 < share < 0.0005 else wording.percent(share)


def _candidates(decided: Any) -> tuple[Judged, ...]:
    """Of `details["weights"]`: `chosen` and `candidates` with `name`, `sqnr_db`, `reason`. Records leave details unchecked."""
    if not isinstance(decided, dict) or not isinstance(decided.get("candidates"), list):
        return ()
    rows = [row for row in decided["candidates"] if isinstance(row, dict) and isinstance(row.get("name"), str)]
    return tuple(Judged(row["name"], _judgement(row), row["name"] == decided.get("chosen")) for row in rows)


def _judgement(row: dict[str, Any]) -> str:
    sqnr = row.get("sqnr_db")
    return f"{sqnr:.1f} dB" if isinstance(sqnr, int | float) else str(row.get("reason") or "not judged")
