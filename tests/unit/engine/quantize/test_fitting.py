"""Ranges, weights and biases on a network whose inputs are correlated, judged by the real kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.calibration.collector import collect_statistics
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.assembly import assemble, load_fitted, save_fitted
from app.engine.quantize.default import fit_default
from app.engine.quantize.observation import observed_tensors
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from tests.support.model_builder import save, tiny_classifier

RUNTIME = get_runtime("onnxruntime")
SETTINGS = QuantizationSettings()


def smooth_images(n, seed=0):
    """Neighbouring pixels alike, as in photographs: what makes rounding with moments pay."""
    coarse = np.random.default_rng(seed).uniform(0, 1, (n, 3, 4, 4)).astype(np.float32)
    return [np.kron(image, np.ones((8, 8), np.float32))[None] for image in coarse]


def calibrated(model, folder, images):
    prepared = prepare_graph(save(model, folder / "model.onnx"), folder / "prepared.onnx")
    names = observed_tensors(prepared)
    return prepared, collect_statistics(
        RUNTIME, prepared, names, images, histogram=True, threads=1, on_batch=lambda _: None, total=len(images)
    )


@pytest.fixture(scope="module", params=[None, pytest.param(1, marks=pytest.mark.slow)], ids=["free batch", "batch 1"])
def network(request, tmp_path_factory):
    return calibrated(tiny_classifier(width=16, batch=request.param), tmp_path_factory.mktemp("fit"), smooth_images(64))


def fitted(network, images=64, **settings):
    prepared, statistics = network
    return fit_default(RUNTIME, prepared, statistics, smooth_images(images), replace(SETTINGS, **settings), threads=1)


def scores(model, images):
    session = RUNTIME.open(model.SerializeToString())
    return np.concatenate([session.run({session.inputs[0].name: image})[0] for image in images])


def quality(network, fit):
    """dB of the outputs on images that took no part."""
    prepared, _ = network
    unseen = smooth_images(64, seed=9)
    model = assemble(fit.graph, place(fit.graph, ONNXRUNTIME, fit.keep_float), fit.fitted)
    return sqnr_db(scores(prepared, unseen), scores(model, unseen))


def test_every_candidate_is_judged_and_the_best_one_taken(network):
    fit = fitted(network)
    judged = {candidate.name: candidate.sqnr_db for candidate in fit.candidates}
    assert {"ranges minmax", "ranges mse", "nearest", "nearest, bias", "rounding, bias"} <= set(judged)
    assert judged["rounding, bias"] > judged["nearest"]
    assert "rounding, bias" in fit.chosen


def test_rounding_with_moments_gains_on_unseen_images(network):
    assert quality(network, fitted(network)) > quality(network, fitted(network, rounding=False)) + 1


def test_bias_correction_gains_on_unseen_images(network):
    off = fitted(network, rounding=False, bias_correction=False)
    assert quality(network, fitted(network, rounding=False)) > quality(network, off) + 1


def test_the_fast_effort_corrects_biases_from_the_statistics_alone(network):
    off = fitted(network, effort="fast", bias_correction=False)
    fast = fitted(network, effort="fast")
    assert quality(network, fast) > quality(network, off) + 1
    assert all(candidate.sqnr_db is None for candidate in fast.candidates)


def test_weight_scales_are_per_channel_or_per_tensor_as_asked(network):
    shapes = {
        granularity: {
            layer.weight_scale.ndim for layer in fitted(network, weight_granularity=granularity).fitted.layers.values()
        }
        for granularity in ("per-channel", "per-tensor")
    }
    assert shapes == {"per-channel": {1}, "per-tensor": {0}}


def test_symmetric_activations_have_the_grid_of_int8(network):
    zero_points = {int(grid.zero_point) for grid in fitted(network, activations="symmetric").fitted.grids.values()}
    assert zero_points <= {0, 128}


def test_what_the_user_keeps_in_float_is_kept(network):
    prepared, _ = network
    first = next(node.name for node in prepared.graph.node if node.op_type == "Conv")
    fit = fitted(network, keep_float=(first,))
    assert "setting" in fit.keep_float[first]
    assert first not in place(fit.graph, ONNXRUNTIME, fit.keep_float).quantized


def test_noise_shares_add_up_to_one_and_name_nodes(network):
    prepared, _ = network
    shares = fitted(network).noise
    assert sum(entry.share for entry in shares) == pytest.approx(1)
    assert [entry.share for entry in shares] == sorted((entry.share for entry in shares), reverse=True)
    assert {entry.node for entry in shares} <= {node.name for node in prepared.graph.node} | {prepared.graph.input[0].name}


def test_integers_survive_the_file(network, tmp_path):
    fit = fitted(network)
    save_fitted(tmp_path / "fitted.npz", fit.fitted)
    placement = place(fit.graph, ONNXRUNTIME)
    before, after = (
        assemble(fit.graph, placement, some).SerializeToString(deterministic=True)
        for some in (fit.fitted, load_fitted(tmp_path / "fitted.npz"))
    )
    assert before == after


@pytest.mark.slow
def test_fitting_is_deterministic(network):
    first, again = fitted(network), fitted(network)
    assert again.candidates == first.candidates
    for name, layer in first.fitted.layers.items():
        np.testing.assert_array_equal(layer.weight_q, again.fitted.layers[name].weight_q)


def test_too_few_samples_to_choose_take_all_that_was_seen_and_round_to_nearest(network):
    fit = fitted(network, images=2)
    assert fit.chosen == "ranges minmax"
    assert all(candidate.sqnr_db is None for candidate in fit.candidates)


def test_a_node_that_cannot_run_alone_costs_only_the_optional_steps(tmp_path):
    """An If reads values around it, so it has no model of its own; the network is quantized all the same."""
    model = tiny_classifier(width=16)
    place_of_relu, relu = next((k, node) for k, node in enumerate(model.graph.node) if node.op_type == "Relu")
    read = relu.output[0]
    relu.output[0] = "plain"
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["plain"], [f"{op}_out"])], op, [], [helper.make_tensor_value_info(f"{op}_out", 1, None)]
        )
        for op in ("Relu", "Identity")
    ]
    nodes = list(model.graph.node)
    nodes[place_of_relu + 1 : place_of_relu + 1] = [
        helper.make_node("ReduceMax", ["plain"], ["largest"], keepdims=0, name="largest"),
        helper.make_node("Less", ["largest", "zero"], ["below"], name="below"),
        helper.make_node("If", ["below"], [read], then_branch=branches[0], else_branch=branches[1], name="if"),
    ]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero"))
    images = smooth_images(12)
    prepared, statistics = calibrated(model, tmp_path, images)
    fit = fit_default(RUNTIME, prepared, statistics, images, SETTINGS, threads=1)
    assert [candidate.name for candidate in fit.candidates if "does not run alone" in candidate.reason] == ["bias in sequence"]
    assert fit.fitted.layers
