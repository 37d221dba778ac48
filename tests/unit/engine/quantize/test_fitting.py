"""Rounding and bias correction on a network whose inputs are correlated, judged by the real kernels."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from app.engine.calibration.collector import collect_statistics
from app.engine.quantize.assembly import Fitted, assemble, load_fitted, save_fitted
from app.engine.quantize.default import grids_of, observed_tensors
from app.engine.quantize.fitting import fit_layers
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


@pytest.fixture(scope="module", params=[None, 1], ids=["free batch", "batch 1"])
def fitted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    model = save(tiny_classifier(width=16, batch=request.param), folder / "model.onnx")
    prepared = prepare_graph(model, folder / "prepared.onnx")
    images = smooth_images(48)
    statistics = collect_statistics(
        RUNTIME, prepared, observed_tensors(prepared), images, histogram=False, threads=1, on_batch=lambda _: None
    )
    grids = grids_of(prepared, statistics, SETTINGS)
    placement = place(prepared, ONNXRUNTIME)
    fit = fit_layers(RUNTIME, prepared, placement, grids, images, seed=0, threads=1, on_progress=lambda *_: None)
    return prepared, placement, grids, fit


def test_every_candidate_is_judged_and_the_best_one_taken(fitted):
    *_, fit = fitted
    judged = {candidate.name: candidate.sqnr_db for candidate in fit.candidates}
    assert set(judged) == {"nearest", "bias", "rounding, bias"}
    assert judged[fit.chosen] == max(judged.values())
    assert judged["rounding, bias"] > judged["nearest"]


def test_integers_survive_the_file(fitted, tmp_path):
    prepared, placement, grids, fit = fitted
    fitted_before = Fitted(grids, fit.layers)
    save_fitted(tmp_path / "fitted.npz", fitted_before)
    before, after = (
        assemble(prepared, placement, some).SerializeToString(deterministic=True)
        for some in (fitted_before, load_fitted(tmp_path / "fitted.npz"))
    )
    assert before == after


def test_fitting_is_deterministic(fitted):
    prepared, placement, grids, fit = fitted
    again = fit_layers(RUNTIME, prepared, placement, grids, smooth_images(48), seed=0, threads=1, on_progress=lambda *_: None)
    assert again.candidates == fit.candidates
    for name, layer in fit.layers.items():
        np.testing.assert_array_equal(layer.weight_q, again.layers[name].weight_q)


def test_too_few_samples_to_choose_round_to_nearest(fitted):
    prepared, placement, grids, _ = fitted
    fit = fit_layers(RUNTIME, prepared, placement, grids, smooth_images(2), seed=0, threads=1, on_progress=lambda *_: None)
    assert fit.chosen == "nearest"
    assert fit.candidates[0].sqnr_db is None


def test_a_node_that_cannot_run_alone_costs_only_the_optional_steps(tmp_path):
    """An If reads values around it, so it has no model of its own; the network is quantized all the same."""
    model = tiny_classifier(width=16)
    scores = model.graph.node[-1]
    scores.output[0] = "plain"
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["plain"], [f"{op}_out"])], op, [], [helper.make_tensor_value_info(f"{op}_out", 1, None)]
        )
        for op in ("Relu", "Identity")
    ]
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["plain"], ["largest"], keepdims=0, name="largest"),
            helper.make_node("Less", ["largest", "zero"], ["below"], name="below"),
            helper.make_node("If", ["below"], ["scores"], then_branch=branches[0], else_branch=branches[1], name="if"),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero"))
    prepared = prepare_graph(save(model, tmp_path / "m.onnx"), tmp_path / "p.onnx")
    images = smooth_images(12)
    statistics = collect_statistics(
        RUNTIME, prepared, observed_tensors(prepared), images, histogram=False, threads=1, on_batch=lambda _: None
    )
    grids = grids_of(prepared, statistics, SETTINGS)
    fit = fit_layers(
        RUNTIME, prepared, place(prepared, ONNXRUNTIME), grids, images, seed=0, threads=1, on_progress=lambda *_: None
    )
    assert fit.chosen == "nearest"
    assert {candidate.name for candidate in fit.candidates if "does not run alone" in candidate.reason} == {
        "bias",
        "rounding, bias",
    }
