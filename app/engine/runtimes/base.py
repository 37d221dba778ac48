"""What the engine needs of a runtime. One module per runtime implements it; one contract suite tests them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app.engine.graph.description import TensorInfo

Array = np.ndarray


@dataclass(frozen=True)
class Capabilities:
    """The device: a runtime on this machine's hardware."""

    runtime: str
    version: str
    cpu: str
    cores: int
    """Cores this process may use (affinity, cgroup), not what the machine has."""
    instruction_sets: tuple[str, ...]
    """Of avx2, avx_vnni, avx512f, avx512_vnni, avx512_bf16, amx_int8, amx_bf16; as in /proc/cpuinfo."""
    memory_bytes: int
    system: str
    """Operating system and Python, one line."""

    @property
    def int8_kernels(self) -> bool:
        """Whether 8-bit dot products are native here (without them 8-bit weights can saturate)."""
        return any("vnni" in name or name == "amx_int8" for name in self.instruction_sets)


class Session(Protocol):
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]: ...


class Runtime(Protocol):
    name: str

    def capabilities(self) -> Capabilities: ...

    def open(
        self, model: Path | bytes, *, threads: int = 1, optimize: bool = True, spin: bool = True, lean: bool = False
    ) -> Session:
        """A session with `threads` intra-op threads that do not spin longer than needed.

        Args:
            model: The file, or its bytes.
            threads: That compute one request together.
            optimize: False runs the graph as written, node by node: slow, for reference values.
            spin: Whether threads wait busily for work during a run. False when several sessions share the cores.
            lean: Values are computed in the order of the graph and freed at once: a fifth of the memory where many values
                are also read by outputs of their own, for a few per cent of the time.

        Raises:
            WorkbenchError: `runtime.cannot_open` with the runtime's own words, server paths removed.
        """
        ...
