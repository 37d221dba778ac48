"""Stage: from a float graph, grids and integers to the INT8 file that the runtime runs as planned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from app.engine.quantize.assembly import Fitted, save_fitted
from app.engine.quantize.layers import find_layers
from app.engine.quantize.placement import NO_KERNEL, ONNXRUNTIME, place
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.stages import quantize
from app.engine.stages.context import Progress, StageContext
from tests.support.architectures.network import Network
from tests.support.quantized_graphs import finished, minmax_grids

KEPT = "kept in float by the setting “…”"


@pytest.fixture
def spec(tmp_path: Path) -> quantize.Spec:
    n = Network("n", (3, 16, 16), spread=False)
    x = n.node("Relu", n.conv(n.node("Relu", n.conv(n.input, 16)), 16))
    graph = finished(n, n.node("Softmax", n.conv(x, 8), axis=1))
    placement = place(graph, ONNXRUNTIME)
    grids = minmax_grids(graph, placement, [np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)])
    layers = round_all_to_nearest(find_layers(graph.graph, frozenset(placement.quantized)), grids)
    onnx.save(graph, tmp_path / "graph.onnx")
    save_fitted(tmp_path / "fitted.npz", Fitted(grids, layers))
    return quantize.Spec(tmp_path / "graph.onnx", tmp_path / "fitted.npz", QuantizationSettings(), "0" * 64, (0,))


def run(spec: quantize.Spec, folder: Path) -> tuple[quantize.Result, list[Progress]]:
    folder.mkdir()
    told: list[Progress] = []
    return quantize.run(spec, StageContext(folder, told.append, 1)), told


def test_the_recipe_says_what_the_runtime_runs(spec, tmp_path):
    result, told = run(spec, tmp_path / "out")
    kernels = result.recipe.kernels
    assert (kernels.integer_kernels, kernels.float_kernels, kernels.surprises) == (3, 0, ())
    assert kernels.integer_multiply_adds == 1.0
    assert set(result.recipe.kept_in_float.values()) == {NO_KERNEL}
    assert (
        told[-1].message
        == "5 nodes in INT8; onnxruntime runs 3 layers on integers, 0 in float (100.0 % of multiply-adds on integers)"
    )
    assert [file.name for file in (tmp_path / "out").iterdir()] == [result.model_file]


def test_every_node_in_float_keeps_its_reason(spec, tmp_path):
    second = [node.name for node in onnx.load(spec.graph).graph.node if node.op_type == "Conv"][1]
    result, told = run(quantize.Spec(**{**vars(spec), "keep_float": {second: KEPT}}), tmp_path / "out")
    assert result.recipe.kept_in_float[second] == KEPT
    assert result.recipe.kernels.float_kernels == 1
    assert result.recipe.kernels.surprises == ()
    assert "1 kept in float" in told[-1].message


def test_same_inputs_same_bytes(spec, tmp_path):
    run(spec, tmp_path / "a")
    run(spec, tmp_path / "b")
    assert (tmp_path / "a" / "model.onnx").read_bytes() == (tmp_path / "b" / "model.onnx").read_bytes()
