"""Plan against reality."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.barrier import insert_barriers
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.verification import RUNS_IN_FLOAT, assemble_verified, verify
from app.engine.quantize.weight_fitting import round_all_to_nearest
from tests.support.architectures.network import Network
from tests.support.quantized_graphs import finished, minmax_grids


def chain() -> onnx.ModelProto:
    n = Network("n", (3, 16, 16), spread=False)
    x = n.node("Relu", n.conv(n.input, 16))
    x = n.node("Relu", n.conv(x, 16))
    return finished(n, n.node("GlobalAveragePool", n.conv(x, 8)))


def fitted_of(graph: onnx.ModelProto) -> Fitted:
    placement = place(graph, ONNXRUNTIME)
    samples = [np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)]
    grids = minmax_grids(graph, placement, samples)
    return Fitted(grids, round_all_to_nearest(find_layers(graph.graph, frozenset(placement.quantized)), grids))


def names(graph: onnx.ModelProto) -> list[str]:
    return [node.name for node in graph.graph.node if node.op_type == "Conv"]


def test_a_good_file_needs_no_second_round(tmp_path):
    graph = chain()
    verified = assemble_verified(graph, ONNXRUNTIME, {}, fitted_of(graph), tmp_path)
    report = verified.report
    assert (report.integer_kernels, report.float_kernels, report.conversions, report.surprises) == (3, 0, 2, ())
    assert report.integer_multiply_adds == 1.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["bias scale", "output grid"])
def test_a_planned_layer_that_runs_in_float_is_placed_anew_with_the_reason(how, tmp_path):
    """onnxruntime takes the float kernel when the bias has another scale than s_x s_w, or the output no grid."""
    graph, fitted = chain(), fitted_of(chain())
    second = names(graph)[1]
    if how == "bias scale":
        layer = fitted.layers[second]
        fitted = replace(
            fitted, layers={**fitted.layers, second: replace(layer, bias_scale=layer.bias_scale * np.float32(1.5))}
        )
    else:
        (output,) = [node.output[0] for node in graph.graph.node if node.name == second]
        (behind,) = [node.output[0] for node in graph.graph.node if output in node.input]
        fitted = replace(fitted, grids={name: grid for name, grid in fitted.grids.items() if name != behind})
    first = verify(graph, place(graph, ONNXRUNTIME), assemble(graph, place(graph, ONNXRUNTIME), fitted), tmp_path)
    assert f"Conv {second} was planned as integer and runs as float" in first.surprises[0]
    verified = assemble_verified(graph, ONNXRUNTIME, {}, fitted, tmp_path)
    assert verified.placement.kept_in_float[second] == RUNS_IN_FLOAT
    assert not [said for said in verified.report.surprises if second in said]


def test_weights_that_the_runtime_rounds_by_itself_are_told(tmp_path, monkeypatch):
    """The file as it would be without barriers."""
    graph = chain()
    second = names(graph)[1]
    placement = place(graph, ONNXRUNTIME, {second: "for the test"})
    monkeypatch.setattr("app.engine.quantize.assembly.insert_barriers", lambda model, kept: ())
    model = assemble(graph, placement, fitted_of(graph))
    (said,) = verify(graph, placement, model, tmp_path).surprises
    assert said.startswith(f"Conv {second} was planned as float, but onnxruntime quantizes its weights by itself")
    assert insert_barriers(model, placement.kept_in_float) == (second,)
    assert verify(graph, placement, model, tmp_path).surprises == ()


def test_share_of_multiply_adds_is_counted_by_kernel(tmp_path):
    graph = chain()
    first, second, third = names(graph)
    work = {first: 16 * 3 * 9, second: 16 * 16 * 9, third: 8 * 16 * 9}
    verified = assemble_verified(graph, ONNXRUNTIME, {second: "for the test"}, fitted_of(graph), tmp_path)
    assert verified.report.integer_multiply_adds == pytest.approx(1 - work[second] / sum(work.values()))
