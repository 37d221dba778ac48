from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.engine.graph.rewrites import PixelScale
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.preparation import pixel_scale, prepare, prepare_graph
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError
from tests.support.architectures import ARCHITECTURES
from tests.support.model_builder import save, save_with_external_data, tiny_classifier
from tests.support.rewriting import graph_of, node, operators
from tests.support.shared import SHARED, needs_shared

IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 3, 32, 32)).astype(np.float32)


def answers(model, x):
    """Of a path or a model."""
    given = str(model) if not isinstance(model, onnx.ModelProto) else model.SerializeToString()
    session = get_runtime("onnxruntime").open(given, optimize=False)
    return session.run({session.inputs[0].name: x})


def prepared(model, folder, **options):
    return prepare(save(model, folder / "model.onnx"), folder / "prepared.onnx", **options)


def w(*shape):
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def norm(n):
    return {"s": w(n), "t": w(n), "m": w(n), "v": np.abs(w(n)) + 1}


FOLDED_BY_THE_RUNTIME = {
    "pad": (
        [node("Pad", ["x", "p"], "a"), node("Conv", ["a", "w"], "y")],
        {"p": np.array([0, 0, 0, 1, 0, 0, 1, 2]), "w": w(4, 3, 3, 3)},
    ),
    "batch norm": (
        [node("Conv", ["x", "w"], "a"), node("BatchNormalization", ["a", "s", "t", "m", "v"], "y")],
        {"w": w(4, 3, 3, 3), **norm(4)},
    ),
    "batch norm behind a transposed convolution": (
        [node("ConvTranspose", ["x", "w"], "a"), node("BatchNormalization", ["a", "s", "t", "m", "v"], "y")],
        {"w": w(3, 4, 2, 2), **norm(4)},
    ),
    "mul, add": (
        [node("Conv", ["x", "w"], "a"), node("Mul", ["a", "k"], "b"), node("Add", ["b", "o"], "y")],
        {"w": w(4, 3, 3, 3), "k": 2, "o": w(4, 1, 1)},
    ),
    "identity, dropout": (
        [
            node("Identity", ["x"], "a"),
            node("Conv", ["a", "w"], "b"),
            node("Dropout", ["b"], "c"),
            node("Conv", ["c", "v"], "y"),
        ],
        {"w": w(4, 3, 3, 3), "v": w(4, 4, 1, 1)},
    ),
}


@pytest.mark.parametrize(("nodes", "constants"), FOLDED_BY_THE_RUNTIME.values(), ids=FOLDED_BY_THE_RUNTIME)
def test_what_the_runtime_folds_needs_no_rule_of_ours(nodes, constants, tmp_path):
    model = graph_of(nodes, constants, (1, 3, 8, 8))
    ready = prepared(model, tmp_path)
    assert set(operators(ready.model)) <= {"Conv", "ConvTranspose"}
    assert ready.rewrites == ()
    x = IMAGES[:1, :, :8, :8]
    np.testing.assert_allclose(answers(ready.model, x), answers(model, x), rtol=1e-4, atol=1e-5)


def test_hard_swish_as_one_operator_ends_in_the_same_form_as_its_spelled_one(tmp_path):
    model = graph_of([node("Conv", ["x", "w"], "a"), node("HardSwish", ["a"], "y")], {"w": w(4, 3, 1, 1)}, (1, 3, 8, 8))
    assert operators(prepared(model, tmp_path).model) == {"Conv": 1, "HardSigmoid": 1, "Mul": 1}


def test_the_twin_has_the_exact_rewrites_and_the_prepared_graph_those_for_integers_too(tmp_path):
    nodes = [node("Sub", ["x", "half"], "a"), node("Mul", ["a", "k"], "b"), node("Conv", ["b", "w"], "y", pads=[1] * 4)]
    model = graph_of(nodes, {"half": 127.5, "k": 1 / 127.5, "w": w(4, 3, 3, 3)}, (1, 3, 8, 8))
    ready = prepared(model, tmp_path, twin=tmp_path / "twin.onnx", pixels=PixelScale())
    assert [rewrite.exact for rewrite in ready.rewrites] == [True, False]
    x = np.rint(IMAGES[:1, :, :8, :8] * 255)
    np.testing.assert_allclose(answers(tmp_path / "twin.onnx", x), answers(model, x), rtol=1e-4, atol=1e-5)
    assert "center_pixels" in {entry.name for entry in ready.model.graph.node}
    assert "center_pixels" not in {entry.name for entry in onnx.load(tmp_path / "twin.onnx").graph.node}


def test_without_a_known_pixel_scale_the_prepared_graph_is_the_twin(tmp_path):
    prepared(tiny_classifier(), tmp_path, twin=tmp_path / "twin.onnx")
    assert (tmp_path / "twin.onnx").read_bytes() == (tmp_path / "prepared.onnx").read_bytes()


@pytest.mark.parametrize(
    ("mean", "divide_by", "expected"),
    [
        ((0.0,) * 3, (255.0,) * 3, PixelScale(1 / 255, 0)),
        ((127.5,) * 3, (127.5,) * 3, PixelScale(1 / 127.5, -1)),
        ((104.0, 117.0, 123.0), (1.0,) * 3, None),
    ],
)
def test_scale_of_pixels_in_the_input(mean, divide_by, expected):
    assert pixel_scale(Preprocessing(8, 8, mean=mean, divide_by=divide_by)) == expected


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 17, 19, 21])
def test_opsets(opset, tmp_path):
    model = tiny_classifier(opset=opset, ir_version=8 if opset < 21 else 10)
    ready = prepared(model, tmp_path)
    assert next(entry.version for entry in ready.model.opset_import if not entry.domain) >= 13
    np.testing.assert_allclose(answers(ready.model, IMAGES), answers(model, IMAGES), rtol=1e-4, atol=1e-4)


def test_weights_listed_as_inputs_are_constants(tmp_path):
    model = tiny_classifier(initializers_as_inputs=True, ir_version=3, opset=12)
    ready = prepared(model, tmp_path).model
    assert [value.name for value in ready.graph.input] == ["image"]
    np.testing.assert_allclose(answers(ready, IMAGES), answers(model, IMAGES), rtol=1e-4, atol=1e-4)


def test_weights_in_constant_nodes_become_initializers(tmp_path):
    model = tiny_classifier()
    constants = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in model.graph.initializer]
    rest = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend([*constants, *rest])
    ready = prepared(model, tmp_path).model
    assert operators(ready)["Constant"] == 0
    layers = [entry for entry in ready.graph.node if entry.op_type in {"Conv", "Gemm"}]
    assert {entry.input[1] for entry in layers} <= {tensor.name for tensor in ready.graph.initializer}


def test_a_half_precision_model_is_widened(tmp_path):
    model = tiny_classifier(float16=True)
    ready = prepared(model, tmp_path)
    kinds = {tensor.data_type for tensor in ready.model.graph.initializer} - {TensorProto.INT64}
    assert kinds == {TensorProto.FLOAT}
    assert ready.model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert ready.rewrites[0].name == "half-precision weights widened to float32"
    (wanted,) = answers(model, IMAGES.astype(np.float16))
    (got,) = answers(ready.model, IMAGES)
    np.testing.assert_allclose(got, wanted.astype(np.float32), atol=0.02 * float(np.abs(wanted).max()))


def test_half_precision_weights_behind_casts_are_widened_exactly(tmp_path):
    weight = w(4, 3, 3, 3).astype(np.float16)
    nodes = [node("Cast", ["h"], "w", to=TensorProto.FLOAT), node("Conv", ["x", "w"], "y")]
    ready = prepared(graph_of(nodes, {"h": weight}, (1, 3, 8, 8)), tmp_path).model
    assert operators(ready) == {"Conv": 1}
    np.testing.assert_array_equal(numpy_helper.to_array(ready.graph.initializer[0]), weight.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_node(bad, tmp_path):
    model = tiny_classifier()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "conv2_weight")
    values = numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[5] = bad
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(WorkbenchError) as refused:
        prepared(model, tmp_path)
    assert (refused.value.code, refused.value.where) == ("quantize.not_finite", "conv2")
    assert "1 of the" in str(refused.value)


def test_an_infinite_limit_is_no_damage(tmp_path):
    nodes = [node("Conv", ["x", "w"], "a"), node("Clip", ["a", "low", "high"], "y")]
    ready = prepared(graph_of(nodes, {"w": w(4, 3, 1, 1), "low": -1, "high": np.inf}, (1, 3, 8, 8)), tmp_path)
    assert operators(ready.model)["Conv"] == 1


def test_a_model_whose_weights_fill_more_than_one_file(tmp_path):
    """The limit is that of a file, 2 GB; here it is 100 bytes."""
    model = tiny_classifier()
    source = save_with_external_data(model, tmp_path / "given")
    folder = tmp_path / "work"
    folder.mkdir()
    ready = prepare(source, folder / "prepared.onnx", twin=folder / "twin.onnx", largest_file=100)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["prepared.onnx", "prepared.onnx.data", "twin.onnx", "twin.onnx.data"]
    assert (folder / "prepared.onnx").stat().st_size < (folder / "prepared.onnx.data").stat().st_size
    for result in (ready.model, folder / "prepared.onnx", folder / "twin.onnx"):
        np.testing.assert_allclose(answers(result, IMAGES), answers(model, IMAGES), rtol=1e-4, atol=1e-4)


def test_the_same_file_gives_the_same_bytes(tmp_path):
    source = save(tiny_classifier(), tmp_path / "model.onnx")
    for name in ("a", "b"):
        prepare_graph(source, tmp_path / f"{name}.onnx")
    digests = {hashlib.sha256((tmp_path / f"{name}.onnx").read_bytes()).hexdigest() for name in ("a", "b")}
    assert len(digests) == 1


def test_a_failing_conversion_says_which_opset_and_no_path(tmp_path):
    model = tiny_classifier(opset=11)
    model.graph.node[0].op_type = "Einsum"  # new in opset 12
    with pytest.raises(WorkbenchError) as refused:
        prepared(model, tmp_path)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_every_architecture_keeps_its_function(architecture, tmp_path):
    model = architecture.build()
    ready = prepared(model, tmp_path, twin=tmp_path / "twin.onnx")
    onnx.checker.check_model(tmp_path / "twin.onnx")
    assert len({entry.name for entry in ready.model.graph.node}) == len(ready.model.graph.node)
    (x,) = architecture.samples(1, seed=7)
    for wanted, got in zip(answers(model, x), answers(tmp_path / "twin.onnx", x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * float(np.abs(wanted).max()))


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((SHARED / "data" / "models").glob("*.onnx")), ids=lambda path: path.stem)
def test_twins_of_real_models_give_the_same_answers(path, tmp_path):
    """CenterNet keeps 1/6 in half precision, and its hard-swish is meant to be the exact one: 0.02 % per layer."""
    prepare(path, tmp_path / "prepared.onnx", twin=tmp_path / "twin.onnx")
    session = get_runtime("onnxruntime").open(path)
    shape = [size if isinstance(size, int) else 1 for size in session.inputs[0].shape]
    x = np.rint(np.random.default_rng(0).uniform(0, 255, shape)).astype(np.float32)
    if "centernet" not in path.stem:
        (wanted,), (got,) = answers(path, x), answers(tmp_path / "twin.onnx", x)
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * float(np.abs(wanted).max()))
        return
    wanted, got = (heat_map(model, x) for model in (path, tmp_path / "twin.onnx"))
    assert np.abs(got - wanted).max() < 5e-3


def heat_map(path, x):
    """TopK reorders rows, so what it reads is compared."""
    model = onnx.load(path)
    name = next(entry.input[0] for entry in model.graph.node if entry.op_type == "MaxPool")
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return answers(model, x)[0]
