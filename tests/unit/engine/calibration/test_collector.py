"""The observed graph against numpy on every value, fetched whole from the same runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.engine.calibration.collector import collect_statistics
from app.engine.calibration.forecast import infer_shapes
from app.engine.calibration.reservoir import KEPT_SAMPLES
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError
from tests.support.model_builder import tiny_classifier

RUNTIME = get_runtime("onnxruntime")


def images(count, *, batch=1, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32) * (1 + number) for number in range(count)]


def collect(model, tensors, batches, **changes):
    usual = {"histogram": True, "threads": 2, "on_batch": lambda _: None}
    return collect_statistics(RUNTIME, model, tensors, batches, **{**usual, **changes})


def fetched(model, tensors, batches):
    """Name -> (samples, …) values, by a session that gives them whole."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (entry,) = [value.name for value in copy.graph.input]
    del copy.graph.output[:]
    inner = [name for name in tensors if name != entry]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    session = RUNTIME.open(copy.SerializeToString())
    runs = [dict(zip(inner, session.run({entry: batch}, inner), strict=True)) | {entry: batch} for batch in batches]
    return {name: np.concatenate([run[name] for run in runs]).astype(np.float64) for name in tensors}


def sequence_model() -> onnx.ModelProto:
    """(N, T, 8) through two MatMul with a residual Add, as in a transformer."""
    rng = np.random.default_rng(5)
    weights = [numpy_helper.from_array(rng.normal(0, 0.3, (8, 8)).astype(np.float32), name) for name in ("a", "b")]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["hidden"], name="first"),
        helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
        helper.make_node("Add", ["active", "x"], ["sum"], name="add"),
        helper.make_node("MatMul", ["sum", "b"], ["y"], name="second"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 12, 8]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "sequence", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


CONVOLUTIONAL = ("image", "conv1_out", "relu1_out", "pool_out", "conv3_out", "add_out", "gap_out", "flatten_out", "scores")


@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize("batch", [None, 4])
def test_extremes_and_sums_of_every_channel_are_those_of_the_values(opset, batch):
    model, batches = tiny_classifier(opset=opset, batch=batch), images(6, batch=batch or 1)
    seen, whole = collect(model, CONVOLUTIONAL, batches), fetched(model, CONVOLUTIONAL, batches)
    for name in CONVOLUTIONAL:
        values = whole[name].reshape(*whole[name].shape[:2], -1)  # (samples, C, S)
        statistics, channels = seen[name], seen[name].channels
        close = {"rtol": 1e-4, "atol": 1e-5 * np.abs(values).max()}  # float32 sums, other kernels beside other outputs
        assert statistics.samples == len(values)
        np.testing.assert_allclose(channels.maximum, values.max(axis=(0, 2)), **close)
        np.testing.assert_allclose(np.minimum(channels.minimum, 0), np.minimum(values.min(axis=(0, 2)), 0), **close)
        np.testing.assert_allclose(channels.mean, values.mean(axis=(0, 2)), **close)
        np.testing.assert_allclose(channels.sum_maximum, values.max(axis=2).sum(axis=0), **close)
        np.testing.assert_allclose(statistics.sum_maximum, values.max(axis=(1, 2)).sum(), **close)
        np.testing.assert_allclose(statistics.extremes.maxima, values.max(axis=(1, 2)), **close)
        np.testing.assert_allclose(channels.mean_square, np.square(values).mean(axis=(0, 2)), **close)
        assert statistics.histogram.counts.sum() == values.size


def test_channels_of_a_sequence_are_its_last_axis():
    model = sequence_model()
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(1, 12, 8)).astype(np.float32) for _ in range(5)]
    names = ("x", "active", "sum")
    seen, whole = collect(model, names, batches), fetched(model, names, batches)
    for name in names:
        channels = seen[name].channels
        assert channels.axis == 2
        np.testing.assert_allclose(channels.maximum, whole[name].max(axis=(0, 1)), rtol=1e-5)
        np.testing.assert_allclose(channels.mean, whole[name].mean(axis=(0, 1)), rtol=1e-4, atol=1e-6)
    assert seen["active"].minimum == 0.0


def test_a_value_that_cannot_be_negative_has_its_minimum_at_zero():
    seen = collect(tiny_classifier(), ("relu1_out", "pool_out"), [np.full((1, 3, 32, 32), 9, np.float32)])
    assert seen["relu1_out"].minimum == seen["pool_out"].minimum == 0.0


def test_reservoir_holds_values_of_their_channels():
    model, batches = tiny_classifier(), images(3)
    seen, whole = collect(model, ("relu2_out",), batches)["relu2_out"], fetched(model, ("relu2_out",), batches)["relu2_out"]
    ends = np.cumsum(seen.reservoir.counts)
    assert seen.reservoir.numbers.tolist() == [0, 1, 2]
    for number, end in enumerate(ends):
        part = slice(end - seen.reservoir.counts[number], end)
        for channel in range(8):
            taken = seen.reservoir.values[part][seen.reservoir.channels[part] == channel]
            assert taken.size
            present = whole[number, channel].reshape(-1)
            assert np.abs(taken[:, None] - present[None]).min(axis=1).max() < 1e-4 * np.abs(present).max() + 1e-6


def test_shards_of_one_total_merge_to_the_whole_in_any_order():
    model, batches = tiny_classifier(), images(100)
    whole = collect(model, CONVOLUTIONAL, batches, total=100)
    parts = [collect(model, CONVOLUTIONAL, batches[a:b], first=a, total=100) for a, b in ((0, 17), (17, 60), (60, 100))]
    for name in CONVOLUTIONAL:
        merged = parts[2][name].merged(parts[0][name]).merged(parts[1][name])
        assert (merged.minimum, merged.maximum, merged.samples) == (whole[name].minimum, whole[name].maximum, 100)
        assert len(merged.reservoir.numbers) == KEPT_SAMPLES
        for part, field in (
            ("reservoir", "values"),
            ("reservoir", "channels"),
            ("extremes", "minima"),
            ("histogram", "counts"),
        ):
            ours, theirs = (getattr(getattr(one, part), field) for one in (merged, whole[name]))
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(merged.channels.total, whole[name].channels.total, rtol=1e-12, atol=1e-9)


def test_threads_do_not_change_a_bit():
    model, batches = tiny_classifier(), images(20)
    one, four = (collect(model, CONVOLUTIONAL, batches, threads=threads) for threads in (1, 4))
    for name in CONVOLUTIONAL:
        np.testing.assert_array_equal(one[name].channels.total, four[name].channels.total)
        np.testing.assert_array_equal(one[name].reservoir.values, four[name].reservoir.values)


def test_filling_of_the_last_batch_does_not_count():
    model, full = tiny_classifier(batch=4), images(1, batch=4)[0]
    filled = np.concatenate([full[:2], full[1:2], full[1:2]])
    seen = collect(model, CONVOLUTIONAL, [filled], total=2)["conv1_out"]
    assert seen.samples == 2
    assert seen.extremes.numbers.tolist() == [0, 1]
    np.testing.assert_allclose(seen.sum_maximum, seen.extremes.maxima.astype(np.float64).sum())


def test_a_value_of_unknown_shape_is_observed_without_channels():
    model = tiny_classifier()
    model.graph.node.extend(
        [
            helper.make_node("NonZero", ["relu3_out"], ["where"], name="nonzero"),
            helper.make_node("Cast", ["where"], ["places"], name="cast", to=TensorProto.FLOAT),
        ]
    )
    seen = collect(model, ("places", "relu3_out"), images(3))
    assert seen["places"].channels is None
    assert (seen["places"].minimum, seen["places"].maximum) == (0.0, 15.0)
    assert seen["relu3_out"].channels is not None


def test_names_may_repeat():
    seen = collect(tiny_classifier(), ("conv1_out", "image", "conv1_out"), images(2))
    assert list(seen) == ["conv1_out", "image"]


def test_no_sample_is_refused():
    with pytest.raises(WorkbenchError) as refused:
        collect(tiny_classifier(), ("image",), [])
    assert refused.value.code == "calibration.empty"


def test_one_sample_is_enough():
    seen = collect(tiny_classifier(), CONVOLUTIONAL, images(1), total=1)["conv1_out"]
    assert seen.samples == 1
    assert seen.minimum < seen.maximum


@pytest.mark.parametrize("shape", [(1, 3, 31, 32), (1, 32, 32, 3), (3, 32, 32)])
def test_samples_of_another_shape_are_refused_with_both_shapes(shape):
    with pytest.raises(WorkbenchError) as refused:
        collect(tiny_classifier(), ("image",), [np.zeros(shape, np.float32)], numbers=[41])
    assert refused.value.code == "calibration.shape"
    assert "(batch, 3, 32, 32)" in refused.value.message
    assert f"({', '.join(map(str, shape))})" in refused.value.message
    assert refused.value.where == "sample 41"


def test_a_later_sample_of_another_shape_is_named():
    model = tiny_classifier(height=None, image_width=None)
    with pytest.raises(WorkbenchError) as refused:
        collect(model, ("image",), [*images(2), np.zeros((1, 3, 16, 16), np.float32)], numbers=[5, 6, 7])
    assert (refused.value.code, refused.value.where) == ("calibration.shape", "sample 7")


def test_not_finite_names_value_node_and_sample():
    model = tiny_classifier()
    model.graph.node[0].output[0] = "before"
    model.graph.node.insert(1, helper.make_node("Log", ["before"], ["conv1_out"], name="log"))
    with pytest.raises(WorkbenchError) as refused:
        collect(model, ("add_out",), images(3), numbers=[30, 10, 20])
    assert refused.value.code == "calibration.not_finite"
    assert refused.value.where == 'value "conv1_out" of node "log" (Log), sample 30'


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_is_named(bad):
    batches = images(5)
    batches[3][0, 1, 7, 7] = bad
    with pytest.raises(WorkbenchError) as refused:
        collect(tiny_classifier(), ("relu1_out",), batches, numbers=[9, 8, 7, 6, 5])
    assert (refused.value.code, refused.value.where) == ("calibration.not_finite", 'input "image", sample 6')


def test_constant_and_dead_channels_have_statistics():
    model = tiny_classifier()
    (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == "conv1_weight"]
    values = numpy_helper.to_array(weight).copy()
    values[:2] = 0
    weight.CopyFrom(numpy_helper.from_array(values, "conv1_weight"))
    channels = collect(model, ("conv1_out",), images(4))["conv1_out"].channels
    np.testing.assert_array_equal(channels.minimum[:2], channels.maximum[:2])
    np.testing.assert_allclose(channels.mean[:2], channels.maximum[:2], rtol=1e-5)  # float32 sums


def test_shapes_are_known_for_the_batch_at_hand():
    shapes = infer_shapes(tiny_classifier(height=None, image_width=None), (2, 3, 48, 32))
    assert shapes["conv1_out"] == (2, 8, 48, 32)
    assert shapes["flatten_out"] == (2, 8)
    assert "conv1_weight" not in shapes or shapes["conv1_weight"] == (8, 3, 3, 3)
