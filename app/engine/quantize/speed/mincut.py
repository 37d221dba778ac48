"""Minimum s-t cut of a small graph (Dinic 1970: shortest augmenting paths, a whole level graph at a time).

    minimize   sum over i of (b_i if x_i = 1 else a_i) + sum over pairs (i, j) of c_ij [x_i != x_j]     over x in {0, 1}^n

with a, b, c >= 0 is such a cut (Greig, Porteous, Seheult 1989): arc s -> i of capacity b_i, i -> t of capacity a_i, arcs i -> j
and j -> i of capacity c_ij; x_i = 0 for the nodes that s still reaches. Infinite a_i forces x_i = 1. Among equal minima the one
with the fewest x_i = 1 is returned: nothing changes side without a gain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

SMALLEST = 1e-9
"""Capacities below are used up."""


def minimize_labels(a: Sequence[float], b: Sequence[float], pairs: Sequence[tuple[int, int, float]]) -> list[bool]:
    """x of the minimum.

    Args:
        a: Cost of x_i = 0.
        b: Cost of x_i = 1; finite.
        pairs: (i, j, c_ij).
    """
    count = len(a)
    source, sink = count, count + 1
    network = _Network(count + 2)
    for i in range(count):
        network.connect(source, i, b[i], 0.0)
        network.connect(i, sink, a[i], 0.0)
    for i, j, c in pairs:
        network.connect(i, j, c, c)
    while (level := network.levels(source))[sink] >= 0:
        network.block(source, sink, level)
    # Nodes that still reach the sink take x = 1; all others x = 0.
    reaches = network.reaching(sink)
    return [reaches[i] for i in range(count)]


class _Network:
    """Arcs in pairs: arc e and its reverse e ^ 1."""

    def __init__(self, count: int) -> None:
        self._out: list[list[int]] = [[] for _ in range(count)]
        self._head: list[int] = []
        self._room: list[float] = []

    def connect(self, tail: int, head: int, forward: float, backward: float) -> None:
        for start, end, room in ((tail, head, forward), (head, tail, backward)):
            self._out[start].append(len(self._head))
            self._head.append(end)
            self._room.append(room)

    def levels(self, source: int) -> list[int]:
        """Arcs from the source, -1 where it does not reach."""
        level = [-1] * len(self._out)
        level[source] = 0
        waiting = deque([source])
        while waiting:
            node = waiting.popleft()
            for arc in self._out[node]:
                if self._room[arc] > SMALLEST and level[self._head[arc]] < 0:
                    level[self._head[arc]] = level[node] + 1
                    waiting.append(self._head[arc])
        return level

    def reaching(self, sink: int) -> list[bool]:
        """Which nodes have a path with room to the sink."""
        reaches = [False] * len(self._out)
        reaches[sink] = True
        waiting = deque([sink])
        while waiting:
            node = waiting.popleft()
            for arc in self._out[node]:
                tail = self._head[arc]
                if self._room[arc ^ 1] > SMALLEST and not reaches[tail]:
                    reaches[tail] = True
                    waiting.append(tail)
        return reaches

    def block(self, source: int, sink: int, level: Sequence[int]) -> None:
        """Send flow along paths of rising level until every one has a full arc."""
        tried = [0] * len(self._out)
        path: list[int] = []
        node = source
        while True:
            if node == sink:
                sent = min(self._room[arc] for arc in path)
                for arc in path:
                    self._room[arc] -= sent
                    self._room[arc ^ 1] += sent
                path, node = [], source
                continue
            while tried[node] < len(self._out[node]):
                arc = self._out[node][tried[node]]
                if self._room[arc] > SMALLEST and level[self._head[arc]] == level[node] + 1:
                    path.append(arc)
                    node = self._head[arc]
                    break
                tried[node] += 1
            else:
                if node == source:
                    return
                node = self._head[path.pop() ^ 1]
                tried[node] += 1
