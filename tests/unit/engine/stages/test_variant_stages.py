"""The stages that write dynamic INT8 and FP16 files, on a small vision transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from app.engine.numerics.metrics import sqnr_db
from app.engine.preprocessing.pipeline import normalize
from app.engine.preprocessing.presets import PRESETS
from app.engine.quantize.dynamic import SLOW_CONVOLUTION
from app.engine.quantize.exclusions import BY_REQUEST
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.records import from_json, to_json
from app.engine.runtimes import get_runtime
from app.engine.stages import dynamic, half
from app.errors import WorkbenchError
from tests.support.encoders import EncoderShape, vision_transformer
from tests.support.model_builder import save, tiny_classifier
from tests.support.stage_runs import stage_context

UNIT = PRESETS["unit"](32, 32, 3, "NCHW")
SETTINGS = QuantizationSettings(precision="int8-dynamic", subset_size=24)
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    np.save(tmp_path / "pixels.npy", PIXELS)
    return tmp_path / "pixels.npy"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(vision_transformer(EncoderShape(outlier=40.0)), tmp_path / "vit.onnx")


def scores(path: Path) -> np.ndarray:
    session = get_runtime("onnxruntime").open(path)
    return session.run({"image": normalize(PIXELS[24:], UNIT)})[0]


@pytest.mark.slow
def test_a_vision_transformer_in_dynamic_int8(tmp_path, model, pixels):
    context, reported = stage_context(tmp_path / "dynamic")
    result = dynamic.run(dynamic.Spec(model, SETTINGS, "0" * 64, pixels, UNIT), context)
    written = context.folder / result.model_file
    assert sqnr_db(scores(model), scores(written)) > 28
    assert result.size_bytes == written.stat().st_size < 0.45 * model.stat().st_size
    recipe = from_json(Recipe, to_json(result.recipe))
    assert len(recipe.calibration_samples) == 24
    assert recipe.kernels.integer_kernels == 12
    assert recipe.kernels.surprises == ()
    assert recipe.kept_in_float["patch"] == SLOW_CONVOLUTION
    assert recipe.details["weights"]["chosen"] == result.chosen
    assert "migration" in result.chosen
    assert len(recipe.details["migration"]) >= 4
    assert "without VNNI" in recipe.details["portability"]["sentences"][0]
    assert reported[-1].message.startswith("12 layers in dynamic INT8; weights: migration")


def test_it_needs_no_samples(tmp_path, model):
    context, _ = stage_context(tmp_path / "dynamic")
    result = dynamic.run(dynamic.Spec(model, SETTINGS, "0" * 64), context)
    assert (result.chosen, result.recipe.calibration_samples) == ("nearest", ())


def test_nodes_are_kept_by_pattern_and_by_type(tmp_path, model):
    settings = QuantizationSettings(keep_float=("att0_*", "Gemm"))
    context, _ = stage_context(tmp_path / "dynamic")
    recipe = dynamic.run(dynamic.Spec(model, settings, "0" * 64), context).recipe
    kept = {node for node, reason in recipe.kept_in_float.items() if reason == BY_REQUEST}
    assert {"att0_q", "att0_k", "att0_v", "att0_o"} <= kept
    assert recipe.kernels.integer_kernels == 8


def test_a_pattern_that_names_nothing_is_refused(tmp_path, model):
    context, _ = stage_context(tmp_path / "dynamic")
    with pytest.raises(WorkbenchError) as refused:
        dynamic.run(dynamic.Spec(model, QuantizationSettings(keep_float=("decoder*",)), "0" * 64), context)
    assert refused.value.code == "settings.keep_float"
    assert "decoder*" in refused.value.message


def test_a_network_without_products_worth_it_is_refused(tmp_path):
    context, _ = stage_context(tmp_path / "dynamic")
    path = save(tiny_classifier(width=16), tmp_path / "cnn.onnx")
    with pytest.raises(WorkbenchError) as refused:
        dynamic.run(dynamic.Spec(path, SETTINGS, "0" * 64), context)
    assert refused.value.code == "quantize.nothing_to_quantize"
    assert "Static INT8" in refused.value.hint


def test_weights_as_float16(tmp_path, model):
    context, reported = stage_context(tmp_path / "half")
    result = half.run(half.Spec(model, QuantizationSettings(precision="float16"), "0" * 64), context)
    written = context.folder / result.model_file
    onnx.checker.check_model(onnx.load(written))
    assert sqnr_db(scores(model), scores(written)) > 55
    assert result.size_bytes == written.stat().st_size < 0.55 * model.stat().st_size
    assert "patch_w" in result.recipe.details["half"]["constants"]
    assert "constants stored as FP16" in reported[-1].message
