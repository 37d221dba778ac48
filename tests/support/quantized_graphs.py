"""A small graph quantized by min/max and nearest rounding, with what onnxruntime makes of it: for tests of placement alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.engine.numerics.affine import QParams, compute_qparams
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import ONNXRUNTIME, Placement, place
from app.engine.quantize.recipe import KernelReport
from app.engine.quantize.tensors import plan_tensors
from app.engine.quantize.verification import verify
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.runtimes import get_runtime
from app.engine.runtimes.kernels import optimized_graph
from tests.support.architectures.network import Network

RUNTIME = get_runtime("onnxruntime")


@dataclass(frozen=True)
class QuantizedGraph:
    graph: onnx.ModelProto
    model: onnx.ModelProto
    placement: Placement
    report: KernelReport
    kernels: Counter[str]
    """Operators of onnxruntime's optimized graph."""
    samples: Sequence[np.ndarray]

    def sqnr(self) -> list[float]:
        """dB of each output against the float graph."""
        return self._compare(self.graph, optimize=True)

    def sqnr_unoptimized(self) -> list[float]:
        """dB of each output against the same file run as it is written, node by node."""
        return self._compare(self.model, optimize=False)

    def _compare(self, reference: onnx.ModelProto, *, optimize: bool) -> list[float]:
        wanted, got = _run(reference, self.samples, optimize=optimize), _run(self.model, self.samples, optimize=True)
        return [sqnr_db(wanted[name], got[name]) for name in wanted]


def finished(network: Network, *outputs: str) -> onnx.ModelProto:
    """The network as a model whose outputs keep their names; shapes inferred, the batch free."""
    graph = helper.make_graph(
        network.nodes,
        network.name,
        [helper.make_tensor_value_info(network.input, TensorProto.FLOAT, ["batch", *network._shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in network.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", network.opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def quantized(
    graph: onnx.ModelProto,
    folder: Path,
    *,
    keep_float: Mapping[str, str] | None = None,
    samples: Sequence[np.ndarray] = (),
) -> QuantizedGraph:
    """
    Args:
        samples: Uniform from -1 to 1 by default.
    """
    (entry,) = graph.graph.input
    samples = samples or _uniform([dim.dim_value or 2 for dim in entry.type.tensor_type.shape.dim])
    everything = place(graph, ONNXRUNTIME)
    grids = minmax_grids(graph, everything, samples)
    layers = find_layers(graph.graph, frozenset(everything.quantized))
    placement = place(graph, ONNXRUNTIME, keep_float)
    model = assemble(graph, placement, Fitted(grids, round_all_to_nearest(layers, grids)))
    onnx.checker.check_model(model)
    report = verify(graph, placement, model, folder)
    kernels = Counter(node.op_type for node in optimized_graph(model, folder).node)
    return QuantizedGraph(graph, model, placement, report, kernels, samples)


def _uniform(shape: Sequence[int]) -> list[np.ndarray]:
    return [np.random.default_rng(n).uniform(-1, 1, shape).astype(np.float32) for n in range(3)]


def minmax_grids(graph: onnx.ModelProto, placement: Placement, samples: Sequence[np.ndarray]) -> dict[str, QParams]:
    """Smallest and largest value of every tensor, seen in the runtime node by node; symmetric."""
    values = {name for node in graph.graph.node for name in node.output if name}
    opened = onnx.ModelProto()
    opened.CopyFrom(graph)
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in values - {v.name for v in graph.graph.output})
    seen = {**_run(opened, samples, optimize=False), graph.graph.input[0].name: np.stack(samples)}
    ranges = {name: (float(v.min()), float(v.max())) for name, v in seen.items() if v.dtype == np.float32}
    plan = plan_tensors(graph, placement, {name for name, (low, _) in ranges.items() if low < 0}, ranges=ranges)
    groups: dict[str, tuple[float, float]] = {}
    for name in plan.gridded:
        low, high = ranges[name]
        smallest, largest = plan.clip.get(name, (low, high))
        before = groups.get(plan.shared[name], (0.0, 0.0))
        groups[plan.shared[name]] = min(before[0], max(low, smallest)), max(before[1], min(high, largest))
    return {name: compute_qparams(*groups[plan.shared[name]], "uint8", symmetric=True) for name in plan.gridded}


def _run(model: onnx.ModelProto, samples: Sequence[np.ndarray], *, optimize: bool) -> dict[str, np.ndarray]:
    session = RUNTIME.open(model.SerializeToString(), threads=1, optimize=optimize)
    runs = [session.run({session.inputs[0].name: x}) for x in samples]
    return {output.name: np.stack([run[k] for run in runs]) for k, output in enumerate(session.outputs)}
