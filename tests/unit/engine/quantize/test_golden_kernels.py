"""What onnxruntime runs of the INT8 files of the real models: golden counts from its own optimized graph."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from PIL import Image

from app.engine.preprocessing.pipeline import geometry, normalize
from app.engine.preprocessing.presets import get_preset
from app.engine.quantize.preparation import prepare_graph
from tests.support.golden import assert_golden
from tests.support.quantized_graphs import QuantizedGraph, quantized
from tests.support.shared import SHARED, needs_shared

pytestmark = [pytest.mark.slow, needs_shared]

MODELS = {
    "squeezenet1.1": ("caffe", "MiniImageNet"),
    "mobilenet-v2": ("raw", "MiniImageNet"),
    "efficientnet-lite0": ("efficientnet-lite", "MiniImageNet"),
    "fashion_yolo": ("unit", "datasets/fashion-scenes-test/images"),
    "fashion_unet": ("unit", "datasets/fashion-scenes-test/images"),
    "centernet_mobilenetv3_coco": ("raw", "datasets/coco-mini-40/images"),
}
CLASSIFIERS = ("squeezenet1.1", "mobilenet-v2", "efficientnet-lite0")
IMAGES = 4


@pytest.fixture(scope="module", params=MODELS)
def result(request, tmp_path_factory) -> tuple[str, QuantizedGraph]:
    preset, images = MODELS[request.param]
    folder = tmp_path_factory.mktemp("kernels")
    graph = prepare_graph(SHARED / "data" / "models" / f"{request.param}.onnx", folder / "prepared.onnx")
    _, channels, height, width = (dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim)
    preprocessing = get_preset(preset, height, width, channels, "NCHW")
    files = sorted(file for file in (SHARED / "data" / images).iterdir() if file.suffix.lower() in {".jpeg", ".jpg", ".png"})
    samples = [normalize(geometry(Image.open(file), preprocessing)[None], preprocessing) for file in files[:IMAGES]]
    return request.param, quantized(graph, folder, samples=samples)


def test_counts_are_the_golden_ones(result):
    name, model = result
    operators = {node.name: node.op_type for node in model.graph.graph.node}
    reasons = Counter(f"{operators[node]}: {reason}" for node, reason in model.placement.kept_in_float.items())
    counts = {
        "integer kernels": model.report.integer_kernels,
        "float kernels": model.report.float_kernels,
        "conversions": model.report.conversions,
        "integer multiply-adds": model.report.integer_multiply_adds,
        "kernels": {
            kernel: count
            for kernel, count in sorted(model.kernels.items())
            if kernel.startswith(("Q", "MatMulInteger", "NhwcMaxPool", "Dequantize"))
        },
        "kept in float": dict(sorted(reasons.items())),
    }
    assert_golden(f"kernels/{name}.json", json.dumps(counts, indent=1) + "\n")


def test_every_layer_runs_on_integers(result):
    name, model = result
    assert model.report.surprises == ()
    assert model.report.integer_multiply_adds >= 0.95
    if name in CLASSIFIERS:  # a Softmax or the average behind the last layer is a float tail
        assert model.report.float_kernels == 0
        assert model.report.conversions <= 2


def test_the_optimized_file_computes_what_the_file_says(result):
    """Rounding aside: the runtime's float and integer arithmetic may fall on different sides of a half step."""
    name, model = result
    if any(node.op_type == "TopK" for node in model.graph.graph.node):
        pytest.skip(f"{name} puts its outputs in the order of their scores: half a step exchanges rows")
    assert min(model.sqnr_unoptimized()) > 15
