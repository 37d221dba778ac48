from __future__ import annotations

import numpy as np
import onnx
import pytest

from app.engine.quantize.stem import absorb_affine, pad_stem
from app.engine.runtimes import get_runtime
from tests.support.rewriting import graph_of, node, operators

SHAPE = (2, 3, 12, 10)


def quantized(*, front=(), groups=1, channels=3, reader=False, zero=127, per_channel=True, constants=None):
    """front(x) -> QuantizeLinear -> two convolutions of integers -> their sum, each with QDQ behind it."""
    rng = np.random.default_rng(3)
    source = front[-1].output[0] if front else "x"
    scales = rng.uniform(0.001, 0.01, 5).astype(np.float32) if per_channel else np.float32(0.01)
    values = {"s": np.float32(1.0), "z": np.uint8(zero), "ws": scales, "ys": np.float32(0.5), "yz": np.uint8(100)}
    nodes = [*front, node("QuantizeLinear", [source, "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"], "dq")]
    for name in ("a", "b"):
        values[f"{name}_w"] = rng.integers(-127, 128, (5 if groups == 1 else channels, channels // groups, 3, 3), np.int8)
        if groups > 1:
            values["ws"] = np.float32(0.01)
        axis = {"axis": 0} if values["ws"].ndim else {}
        nodes += [
            node("DequantizeLinear", [f"{name}_w", "ws"], f"{name}_wdq", **axis),
            node("Conv", ["dq", f"{name}_wdq"], f"{name}_c", pads=[1, 1, 1, 1], group=groups),
            node("QuantizeLinear", [f"{name}_c", "ys", "yz"], f"{name}_q"),
            node("DequantizeLinear", [f"{name}_q", "ys", "yz"], f"{name}_dq"),
        ]
    nodes.append(node("Add", ["a_dq", "b_dq"], "y"))
    outputs = ("y",)
    if reader:
        nodes.append(node("Relu", ["dq"], "other"))
        outputs = ("y", "other")
    return graph_of(nodes, {**values, **(constants or {})}, (SHAPE[0], channels, *SHAPE[2:]), outputs=outputs)


def answers(model, *, optimize):
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)
    return get_runtime("onnxruntime").open(model.SerializeToString(), optimize=optimize).run({"x": x})


def edited(model, edit):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    result = edit(copy)
    onnx.checker.check_model(copy, full_check=True)
    return copy, result


@pytest.mark.parametrize("optimize", [True, False], ids=["integer kernels", "as written"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_fourth_channel_of_zeros_changes_no_bit(optimize, per_channel):
    model = quantized(per_channel=per_channel)
    padded, changed = edited(model, pad_stem)
    assert changed
    assert operators(padded)["Pad"] == 1
    shapes = {tuple(tensor.dims) for tensor in padded.graph.initializer if len(tensor.dims) == 4}
    assert shapes == {(5, 4, 3, 3)}
    np.testing.assert_array_equal(answers(padded, optimize=optimize), answers(model, optimize=optimize))


def test_padding_twice_is_padding_once():
    padded, _ = edited(quantized(), pad_stem)
    again, changed = edited(padded, pad_stem)
    assert not changed
    assert again.graph.node == padded.graph.node


@pytest.mark.parametrize(
    "model",
    [quantized(channels=4), quantized(groups=3), quantized(reader=True)],
    ids=["4 channels", "groups", "another reader"],
)
def test_other_stems_stay(model):
    after, changed = edited(model, pad_stem)
    assert not changed
    assert after.graph.node == model.graph.node


FRONT = [node("Sub", ["x", "m"], "a"), node("Mul", ["a", "k"], "front")]


def test_centered_pixels_are_read_as_they_are():
    model = quantized(front=FRONT[:1], constants={"m": 127})
    read, names = edited(model, absorb_affine)
    assert names == ("a",)
    assert operators(read)["Sub"] == 0
    parameters = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in read.graph.initializer}
    (first,) = (entry for entry in read.graph.node if entry.output[0] == "q")
    assert [parameters[name].tolist() for name in first.input[1:]] == [1, 0]
    np.testing.assert_array_equal(answers(read, optimize=True), answers(model, optimize=True))


def test_a_chain_is_absorbed_from_its_end():
    model = quantized(front=FRONT, constants={"m": 100, "k": 0.5}, zero=50)
    read, names = edited(model, absorb_affine)
    assert names == ("front", "a")
    np.testing.assert_allclose(answers(read, optimize=False), answers(model, optimize=False), atol=1.0)


@pytest.mark.parametrize(
    "constants",
    [{"m": 127.5}, {"m": 300}, {"m": np.float32([[[1]], [[2]], [[3]]])}],
    ids=["half", "beyond codes", "per channel"],
)
def test_what_no_zero_point_can_hold_stays(constants):
    model = quantized(front=FRONT[:1], constants=constants)
    after, names = edited(model, absorb_affine)
    assert names == ()
    assert after.graph.node == model.graph.node
