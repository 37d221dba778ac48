"""Which nodes stay in float, and which exact layout the file gets, decided by races between whole files.

    1. layouts: each is taken when the file with it wins against the file without it
    2. regions of the profile of that file, largest predicted gain first: each is taken when the file with it wins
    3. regions again, of the profile of the file after 2, until no region is taken

A challenger wins when the lower end of the 95 % interval of its speed-up over the file held so far is above a line. So no step
makes the file slower by the measure, and the outcome is never slower than the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.engine.numerics.intervals import Interval
from app.engine.quantize.speed.regions import Region

REGION_LINE, LAYOUT_LINE = 1.01, 1.0
"""A layout computes the same numbers, so every gain is welcome; a region in float makes the file larger."""
MOST_CANDIDATES = 12
"""Races for regions. Each takes some two seconds."""


@dataclass(frozen=True)
class Choice:
    keep_float: Mapping[str, str] = field(default_factory=dict)
    """Node name -> why it stays in float."""
    layouts: tuple[str, ...] = ()
    """Names of `layouts.LAYOUTS`."""


@dataclass(frozen=True)
class Move:
    """A race that was run."""

    name: str
    nodes: tuple[str, ...]
    """What it puts in float; empty for a layout."""
    speedup: Interval
    """Of the file with it over the file held until then."""
    taken: bool


class Files(Protocol):
    """How the search sees the model."""

    def build(self, choice: Choice) -> bytes | None:
        """The file; None when nothing in it would be INT8."""

    def propose(self, choice: Choice) -> Sequence[Region]:
        """Regions that may be faster in float, most promising first."""


class Duel(Protocol):
    """What a race gave."""

    @property
    def speedup(self) -> Interval:
        """Of the challenger over the file held."""

    @property
    def held_ms(self) -> float: ...

    @property
    def challenger_ms(self) -> float: ...


Race = Callable[[bytes, bytes, float], Duel]
"""(file held, challenger, the speed-up that matters) -> who is faster."""


@dataclass(frozen=True)
class Outcome:
    choice: Choice
    file: bytes
    moves: tuple[Move, ...]


def search(
    files: Files,
    start: Choice,
    layouts: Sequence[str],
    race: Race,
    *,
    go_on: Callable[[], bool] = lambda: True,
    on_move: Callable[[Move], None] = lambda _move: None,
) -> Outcome | None:
    """The fastest choice found; None when nothing is INT8 at the start.

    Args:
        layouts: Names to try, in this order, on top of those of `start`.
        go_on: Asked before every race; False ends the search.
    """
    file = files.build(start)
    if file is None:
        return None
    state = _State(files, race, go_on, on_move, start, file)
    for layout in layouts:
        if layout not in start.layouts:
            state.challenge_layout(layout)
    tried: set[tuple[str, ...]] = set()
    improved = True
    while improved and go_on():
        improved = False
        for region in files.propose(state.choice):
            nodes = tuple(name for name in region.nodes if name not in state.choice.keep_float)
            if nodes and nodes not in tried and len(tried) < MOST_CANDIDATES:
                tried.add(nodes)
                improved |= state.challenge_region(nodes)
    return Outcome(state.choice, state.file, tuple(state.moves))


@dataclass(frozen=True)
class Candidate:
    name: str
    nodes: tuple[str, ...]
    choice: Choice
    line: float
    """Speed-up that its interval must be above."""


@dataclass
class _State:
    files: Files
    race: Race
    go_on: Callable[[], bool]
    on_move: Callable[[Move], None]
    choice: Choice
    file: bytes
    moves: list[Move] = field(default_factory=list)

    def challenge_layout(self, layout: str) -> None:
        choice = Choice(self.choice.keep_float, (*self.choice.layouts, layout))
        self._challenge(Candidate(layout, (), choice, LAYOUT_LINE), lambda _duel: choice)

    def challenge_region(self, nodes: tuple[str, ...]) -> bool:
        def with_reason(reason: str) -> Choice:
            return Choice({**self.choice.keep_float, **dict.fromkeys(nodes, reason)}, self.choice.layouts)

        candidate = Candidate(region_name(nodes), nodes, with_reason(""), REGION_LINE)
        return self._challenge(candidate, lambda duel: with_reason(reason_for(nodes, duel)))

    def _challenge(self, candidate: Candidate, explained: Callable[[Duel], Choice]) -> bool:
        """Race the candidate's file; if it wins, hold it under the choice with its reasons."""
        challenger = self.files.build(candidate.choice) if self.go_on() else None
        if challenger is None or challenger == self.file:
            return False
        duel = self.race(self.file, challenger, candidate.line)
        move = Move(candidate.name, candidate.nodes, duel.speedup, taken=duel.speedup.low > candidate.line)
        if move.taken:
            self.choice, self.file = explained(duel), challenger
        self.moves.append(move)
        self.on_move(move)
        return move.taken


def reason_for(nodes: Sequence[str], duel: Duel) -> str:
    """Why these nodes stay in float, from the race that decided it."""
    what = "this node" if len(nodes) == 1 else f"its region of {len(nodes)} nodes"
    return f"slower in INT8 here: the file takes {duel.held_ms:.3g} ms, {duel.challenger_ms:.3g} ms with {what} in float"


def region_name(nodes: Sequence[str]) -> str:
    if len(nodes) == 1:
        return f"{nodes[0]} in float"
    return f"{nodes[0]} … {nodes[-1]} in float ({len(nodes)} nodes)"
