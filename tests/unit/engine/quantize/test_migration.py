"""Loud channels moved into weights: the float model stays the same to the last bit, the integers gain."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize import migration, migration_groups
from app.engine.quantize.dynamic import quantize_dynamic
from app.engine.quantize.migration import migrate
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError
from tests.support.encoders import EncoderShape, encoder, encoder_inputs

RUNTIME = get_runtime("onnxruntime")
X = np.random.default_rng(1).normal(size=(1, 12, 64)).astype(np.float32)
LOUD = np.ones(64, np.float32)
LOUD[[3, 40]] = 80


def outputs(model: onnx.ModelProto, inputs) -> np.ndarray:
    session = RUNTIME.open(model.SerializeToString())
    return np.concatenate([session.run({"x": x})[0] for x in inputs])


def chain(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """`x` (1, 12, 64) through these nodes to `y`."""
    graph = helper.make_graph(
        list(nodes),
        "chain",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 12, 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(op: str, inputs: str, output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), output.split(), name=f"{op.lower()}_{output}", **attributes)


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, rows**-0.5, (rows, columns)).astype(np.float32)


def vector(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, n).astype(np.float32)


QUIET = matrix(64, 64, 1) / LOUD[:, None]
"""Reads a value whose channels are as loud as LOUD."""
LAST = node("MatMul", "h w2", "y")

FOLDABLE = {
    "LayerNormalization": chain(node("LayerNormalization", "x g b", "h"), LAST, g=LOUD, b=vector(64), w2=QUIET),
    "LayerNormalization without bias": chain(node("LayerNormalization", "x g", "h"), LAST, g=LOUD, w2=QUIET),
    "scale and shift": chain(node("Mul", "x g", "m"), node("Add", "b m", "h"), LAST, g=LOUD, b=vector(64), w2=QUIET),
    "scale alone, as in RMSNorm": chain(node("Mul", "g x", "h"), LAST, g=LOUD[None, None], w2=QUIET),
    "MatMul, Add, Relu": chain(
        node("MatMul", "x w1", "m"), node("Add", "m b", "a"), node("Relu", "a", "h"), LAST,
        w1=matrix(64, 64) * LOUD, b=vector(64), w2=QUIET,
    ),
    "Gemm transB, LeakyRelu": chain(
        node("Reshape", "x flat", "f"), node("Gemm", "f w1 b", "a", transB=1), node("LeakyRelu", "a", "h", alpha=0.1), LAST,
        flat=np.array([-1, 64]), w1=(matrix(64, 64) * LOUD).T.copy(), b=vector(64), w2=QUIET,
    ),
    "gated, as in SwiGLU": chain(
        node("MatMul", "x wg", "g"), node("Sigmoid", "g", "s"), node("Mul", "g s", "silu"), node("MatMul", "x w1", "u"),
        node("Mul", "silu u", "h"), LAST, wg=matrix(64, 64, 2), w1=matrix(64, 64) * LOUD, w2=QUIET,
    ),
    "joint Q, K, V by Split": chain(
        node("MatMul", "x w1", "m"), node("Add", "m b", "a"), node("Split", "a thirds", "q k v", axis=-1),
        node("Transpose", "k", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "qk"), node("Softmax", "qk", "p", axis=-1),
        node("MatMul", "p v", "h"), LAST, thirds=np.array([64, 64, 64]),
        w1=np.concatenate([matrix(64, 128), matrix(64, 64, 3) * LOUD], axis=1), b=vector(192), w2=QUIET,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDABLE)
def test_what_takes_the_factors_takes_them_exactly(name):
    model = FOLDABLE[name]
    moved = migrate(RUNTIME, model, [X], threads=1)
    assert len(moved.migrated) == 1
    assert moved.migrated[0].error_after < 0.1 * moved.migrated[0].error_before
    assert moved.model.SerializeToString() != model.SerializeToString()
    np.testing.assert_array_equal(outputs(moved.model, [X]), outputs(model, [X]))


NOT_FOLDABLE = {
    "a residual reads it, too": (
        chain(
            node("LayerNormalization", "x g b", "h"), node("MatMul", "h w2", "m"), node("Add", "m h", "y"),
            g=LOUD, b=vector(64), w2=QUIET,
        ),
        migration_groups.READ_ELSEWHERE,
    ),
    "GELU": (
        chain(
            node("MatMul", "x w1", "u"), node("Div", "u r", "d"), node("Erf", "d", "e"), node("Add", "e one", "o"),
            node("Mul", "u o", "g"), node("Mul", "g half", "h"), LAST,
            r=np.float32(2**0.5), one=np.float32(1), half=np.float32(0.5), w1=matrix(64, 64) * LOUD, w2=QUIET,
        ),
        migration_groups.NO_ABSORBER,
    ),
    "the model's input": (chain(node("MatMul", "x w2", "y"), w2=QUIET), migration_groups.NO_ABSORBER),
    "heads that change places": (
        chain(
            node("Mul", "x g", "m"), node("Reshape", "m heads", "r"), node("Transpose", "r", "t", perm=[0, 1, 3, 2]),
            node("Reshape", "t flat", "h"), LAST, g=LOUD, w2=QUIET,
            heads=np.array([0, 0, 4, 16]), flat=np.array([0, 0, 64]),
        ),
        migration.OTHER_CHANNELS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_FOLDABLE)
def test_without_an_exact_fold_nothing_is_done(name):
    model, reason = NOT_FOLDABLE[name]
    moved = migrate(RUNTIME, model, [X * LOUD], threads=1)
    assert moved.migrated == ()
    assert reason in moved.left.values()
    assert list(moved.model.graph.initializer) == list(model.graph.initializer)


def test_even_channels_are_left_alone():
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (2, 64, 64)).astype(np.float32)
    model = chain(node("Mul", "x g", "h"), LAST, g=np.ones(64, np.float32), w2=signs[0])
    assert migrate(RUNTIME, model, [signs[1][None, :12]], threads=1).left == {"h": migration.NO_GAIN}


def test_a_constant_that_others_read_is_not_changed_for_them():
    """Both normalizations have the same scale; only the first feeds a matrix."""
    model = chain(
        node("LayerNormalization", "x g b", "h"), node("MatMul", "h w2", "m"), node("LayerNormalization", "m g b", "y"),
        g=LOUD, b=vector(64), w2=QUIET,
    )  # fmt: skip
    moved = migrate(RUNTIME, model, [X], threads=1)
    assert len(moved.migrated) == 1
    np.testing.assert_array_equal(outputs(moved.model, [X]), outputs(model, [X]))


def test_channels_that_are_always_zero_keep_their_weights():
    scale, bias = LOUD.copy(), vector(64)
    scale[5] = bias[5] = 0
    model = chain(node("LayerNormalization", "x g b", "h"), LAST, g=scale, b=bias, w2=QUIET)
    moved = migrate(RUNTIME, model, [X], threads=1)
    assert len(moved.migrated) == 1
    np.testing.assert_array_equal(outputs(moved.model, [X]), outputs(model, [X]))


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("norm", ["op", "decomposed"])
def test_an_encoder_with_loud_channels_gains_20_db(tmp_path, norm, batch):
    from app.engine.quantize.preparation import prepare_graph

    shape = EncoderShape(norm=norm, outlier=50.0)
    model = encoder(shape)
    if batch == 1:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    prepared = prepare_graph(tmp_path / "m.onnx", tmp_path / "p.onnx")
    samples, unseen = encoder_inputs(shape, 8), encoder_inputs(shape, 4, seed=9)
    moved = migrate(RUNTIME, prepared, samples, threads=1)
    assert len(moved.migrated) >= 2 * shape.layers  # in front of every attention and every MLP
    reference = outputs(prepared, unseen)
    np.testing.assert_array_equal(outputs(moved.model, unseen), reference)
    before, after = (
        sqnr_db(reference, outputs(quantize_dynamic(graph, QuantizationSettings()).model, unseen))
        for graph in (prepared, moved.model)
    )
    assert after > max(before + 20, 33)


def test_samples_that_are_no_numbers_are_refused_by_value():
    model = FOLDABLE["LayerNormalization"]
    with pytest.raises(WorkbenchError) as refused:
        migrate(RUNTIME, model, [np.full_like(X, np.nan)], threads=1)
    assert (refused.value.code, refused.value.where) == ("calibration.not_finite", "h")
