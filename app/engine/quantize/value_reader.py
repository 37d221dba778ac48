"""Inner values of a float graph, for one sample at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from app.engine.runtimes.base import Runtime


class ValueReader:
    """Runs a model of one input and gives the values asked for, its input and outputs among them, with original names."""

    def __init__(self, runtime: Runtime, model: onnx.ModelProto, values: Sequence[str], *, threads: int) -> None:
        observed = onnx.ModelProto()
        observed.CopyFrom(model)
        present = {value.name for value in (*model.graph.input, *model.graph.output)}
        inner = [value for value in dict.fromkeys(values) if value not in present]
        observed.graph.output.extend(onnx.ValueInfoProto(name=value) for value in inner)
        self._session = runtime.open(observed.SerializeToString(), threads=threads)
        (entry,) = self._session.inputs
        self._input = entry.name
        self._asked = [value for value in dict.fromkeys(values) if value != self._input]
        self._with_input = self._input in values

    def read(self, sample: np.ndarray) -> dict[str, np.ndarray]:
        """Value -> array."""
        feeds = {self._input: sample}
        # asked for nothing, a session gives all its outputs
        seen = dict(zip(self._asked, self._session.run(feeds, self._asked), strict=True)) if self._asked else {}
        return seen | (feeds if self._with_input else {})
