"""A node run alone on all samples gives what the whole model gives for each of them, wherever the batch is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from app.engine.quantize.assembly import Fitted, assemble
from app.engine.quantize.layers import find_layers
from app.engine.quantize.node_runs import NodeRunner
from app.engine.quantize.sequential import SequentialBiasCorrection
from app.engine.quantize.tensors import plan_tensors
from app.engine.quantize.weight_fitting import round_all_to_nearest
from app.engine.runtimes import get_runtime
from tests.support.odd_models import ODD_MODELS, samples_for
from tests.support.quantize_default import outputs_of, quantize_default

RUNTIME = get_runtime("onnxruntime")
WHERE_THE_BATCH_IS = {
    "nodes_without_names": "axis 0 throughout",
    "batch_on_another_axis": "axis 1 for a while",
    "windows_in_the_batch": "axis 0, with other axes folded into it",
    "batch_written_into_the_graph": "fixed to 1",
    "scalar_output": "nowhere: the result has no axes",
    "token_ids": "axis 0 of integers",
}


def all_values(model: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every float value of the graph for one sample."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = RUNTIME.open(shown.SerializeToString())
    return dict(zip(names, session.run({model.graph.input[0].name: x}, names), strict=True))


@pytest.mark.parametrize("name", WHERE_THE_BATCH_IS)
def test_every_node_sees_each_sample_as_the_model_would(name):
    model = ODD_MODELS[name]()
    samples = samples_for(model, 5)
    runner = NodeRunner(RUNTIME, model, samples=len(samples), threads=1)
    values = {model.graph.input[0].name: np.concatenate(samples)}
    wanted = [all_values(model, x) for x in samples]
    for node in model.graph.node:
        written = [value for value in node.output if value]
        for value, found in zip(written, runner.run(node, values), strict=True):
            values[value] = found
            expected = np.concatenate([np.atleast_1d(sample[value]) for sample in wanted])
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4, err_msg=value)


@pytest.mark.parametrize("name", ["nodes_without_names", "batch_on_another_axis"])
def test_bias_correction_leaves_no_mean_error_on_the_samples_it_saw(name, tmp_path):
    """Of the last layer; with time taken for the batch it was one standard deviation of the error.

    With 64 samples every channel has the ENOUGH positions that are corrected in full.
    """
    model = ODD_MODELS[name]()
    samples = samples_for(model, 64)
    quantized = quantize_default(model, samples, tmp_path)
    graph, grids = quantized.fit.graph, quantized.fit.fitted.grids
    layers = find_layers(graph.graph, frozenset(quantized.placement.quantized))
    plan = plan_tensors(graph, quantized.placement)
    plain = round_all_to_nearest(layers, grids)
    sequential = SequentialBiasCorrection(RUNTIME, graph, layers, plain, grids, plan, threads=1)
    corrected = sequential.run(np.concatenate(samples), lambda _done, _all: None)
    delivered = assemble(graph, quantized.placement, Fitted(grids, corrected))
    error = outputs_of(delivered, samples)["y"] - outputs_of(model, samples)["y"]
    mean = error.mean(axis=(0, 1, *range(3, error.ndim)))
    assert np.abs(mean).max() < 0.1 * error.std()
