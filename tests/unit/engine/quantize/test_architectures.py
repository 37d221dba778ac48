"""INT8 Default on networks of many families: no exclusions by hand, sound answers, and the kernels that were planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import onnx
import pytest

from app.engine.graph.multiply_adds import known_shapes, node_multiply_adds
from app.engine.quantize.layers import WEIGHTED
from app.engine.runtimes.kernels import read_kernels
from tests.support.architectures import ARCHITECTURES, Architecture
from tests.support.quantize_default import Quantized, kernels, quantize_default

QUICK = frozenset({"residual", "efficientnet", "window_attention"})
"""Of each style one that takes well under a second."""
CALIBRATION, JUDGED = 48, 16

INTEGER_KERNELS = {
    "Conv": ("QLinearConv", "ConvInteger"),
    "Gemm": ("QGemm",),
    "MatMul": ("QLinearMatMul", "MatMulIntegerToFloat", "MatMulInteger", "DynamicQuantizeMatMul"),
}
MADE_OF = {
    "QLinearAdd": ("Add", "Sub", "HardSigmoid", "HardSwish"),
    "QLinearAveragePool": ("AveragePool",),
    "QLinearConcat": ("Concat",),
    "QLinearGlobalAveragePool": ("GlobalAveragePool",),
    "QLinearLeakyRelu": ("LeakyRelu", "Relu", "Clip"),
    "QLinearMul": ("Mul", "Div", "HardSwish"),
    "QLinearReduceMean": (),
    "QLinearSigmoid": ("Sigmoid",),
    "QLinearSoftmax": ("Softmax",),
    "QLinearWhere": ("Where",),
}
"""Integer kernel -> the planned operators it may stand for. onnxruntime also makes it of any float operator of that name which
happens to stand between DequantizeLinear and QuantizeLinear."""


def every_architecture():
    """Parametrizes by architecture."""
    parameters = []
    for architecture in ARCHITECTURES:
        marks = [] if architecture.name in QUICK else [pytest.mark.slow]
        parameters.append(pytest.param(architecture, id=architecture.name, marks=marks))
    return pytest.mark.parametrize("architecture", parameters)


Default = Callable[[Architecture], Quantized]


@pytest.fixture(scope="module")
def default(tmp_path_factory) -> Default:
    """Each architecture quantized once for all tests."""
    made: dict[str, Quantized] = {}

    def quantized(architecture: Architecture) -> Quantized:
        if architecture.name not in made:
            folder = tmp_path_factory.mktemp(architecture.name)
            made[architecture.name] = quantize_default(architecture.build(), architecture.samples(CALIBRATION), folder)
        return made[architecture.name]

    return quantized


@every_architecture()
def test_answers_stay_close(architecture, default):
    judged = default(architecture).sqnr(architecture.samples(JUDGED, seed=1), architecture.quantities)
    short = {name: db for name, db in judged.items() if not db >= architecture.floor(name)}
    assert not short, f"{short}; {default(architecture).fit.candidates}"


@every_architecture()
def test_the_file_is_valid_onnx(architecture, default):
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(default(architecture).model), full_check=True)


@every_architecture()
def test_planned_layers_run_in_integer_kernels_and_no_others(architecture, default, tmp_path):
    quantized = default(architecture)
    planned = {
        node.name
        for node in quantized.fit.graph.graph.node
        if node.name in quantized.placement.quantized and node.op_type in WEIGHTED
    }
    running = read_kernels(quantized.model, tmp_path).by_node().values()
    assert {kernel.node for kernel in running if kernel.integer} == planned


@every_architecture()
def test_nothing_planned_as_float_is_quantized_behind_our_back(architecture, default, tmp_path):
    quantized = default(architecture)
    planned, running = planned_operators(quantized), kernels(quantized.model, tmp_path)
    behind = [kernel for kernel, operators in MADE_OF.items() if running[kernel] > sum(planned[op] for op in operators)]
    assert not behind, (behind, planned, running)


@every_architecture()
def test_the_engine_says_what_the_runtime_does(architecture, default, tmp_path):
    quantized = default(architecture)
    running = kernels(quantized.model, tmp_path)
    assert quantized.report.integer_kernels == sum(running[kernel] for forms in INTEGER_KERNELS.values() for kernel in forms)
    assert quantized.report.surprises == ()


@every_architecture()
def test_same_model_and_samples_give_the_same_bytes(architecture, default, tmp_path):
    again = quantize_default(architecture.build(), architecture.samples(CALIBRATION), tmp_path)
    assert again.bytes == default(architecture).bytes


@every_architecture()
def test_conventional_networks_do_nearly_all_multiply_adds_in_integers(architecture, default):
    if architecture.integer_share:
        assert integer_share(default(architecture), architecture) >= architecture.integer_share


def planned_operators(quantized: Quantized) -> Counter[str]:
    return Counter(node.op_type for node in quantized.fit.graph.graph.node if node.name in quantized.placement.quantized)


def integer_share(quantized: Quantized, architecture: Architecture) -> float:
    """Of the multiply-adds of one sample."""
    graph = onnx.ModelProto()
    graph.CopyFrom(quantized.fit.graph)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del graph.graph.value_info[:]
    shapes = known_shapes(onnx.shape_inference.infer_shapes(graph))
    work = {node.name: node_multiply_adds(node, shapes) or 0 for node in graph.graph.node}
    return sum(work[name] for name in quantized.placement.quantized if name in work) / sum(work.values())
