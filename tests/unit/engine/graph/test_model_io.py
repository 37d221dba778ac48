"""Files that are no usable model are refused with a stable code and what to do; usable ones come back whole."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.engine.graph.model_io import load_model
from app.engine.graph.safety import MAXIMUM_NODES, check_model
from app.errors import WorkbenchError
from tests.support.model_builder import custom_op_classifier, save, save_with_external_data, tiny_classifier


def refusal(path, **arguments):
    with pytest.raises(WorkbenchError) as refused:
        load_model(path, **arguments)
    return refused.value


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "model.empty"),
        (b"<html><body>404</body></html>", "model.not_onnx"),
        (b"\x80\x04\x95pickled", "model.not_onnx"),
        (b"PK\x03\x04not really", "model.not_onnx"),
        (np.random.default_rng(0).bytes(500), "model.not_onnx"),
        (tiny_classifier().SerializeToString()[:-100], "model.truncated"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "model.not_onnx"),
    ],
    ids=["empty", "html", "pickle", "zip", "noise", "truncated", "no-graph"],
)
def test_what_is_no_model_is_refused(tmp_path, content, code):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == code
    assert error.hint
    assert str(tmp_path) not in str(error)


def test_external_data_beside_the_model_is_embedded(tmp_path):
    model = tiny_classifier()
    path = save_with_external_data(model, tmp_path / "m")
    loaded = load_model(path, external_folder=path.parent)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.graph.initializer}
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(weights[tensor.name], numpy_helper.to_array(tensor))


def test_external_data_without_its_file_is_missing(tmp_path):
    path = save_with_external_data(tiny_classifier(), tmp_path / "m")
    error = refusal(path)
    assert error.code == "model.external_data_missing"
    assert "model.data" in error.message


def test_external_data_cut_short_is_missing(tmp_path):
    path = save_with_external_data(tiny_classifier(), tmp_path / "m")
    (path.parent / "model.data").write_bytes(b"short")
    assert refusal(path, external_folder=path.parent).code == "model.external_data_missing"


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret.bin", "a/../../b", "https://host/w", "C:\\w", "*/_ORT_MEM_ADDR_/*"]
)
def test_external_data_outside_is_never_opened(location):
    model = tiny_classifier()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    with pytest.raises(WorkbenchError) as refused:
        check_model(model, external=frozenset({location}))
    assert refused.value.code == "model.external_data_outside"
    assert refused.value.where == tensor.name


def test_custom_operator_is_named(tmp_path):
    error = refusal(save(custom_op_classifier("com.example", "Twirl"), tmp_path / "m.onnx"))
    assert error.code == "model.custom_ops"
    assert "com.example.Twirl" in error.message


@pytest.mark.parametrize(("opset", "word"), [(6, "older"), (999, "newer")])
def test_opset_outside_what_runs_is_refused(opset, word):
    model = tiny_classifier()
    model.opset_import[0].version = opset
    with pytest.raises(WorkbenchError, match=word) as refused:
        check_model(model)
    assert refused.value.code == "model.opset_unsupported"


def tower(height):
    """Functions that each call the next twice: 2^height nodes in a few hundred bytes."""
    model = tiny_classifier()
    model.opset_import.append(helper.make_opsetid("local", 1))
    for level in range(height):
        called = ("Relu", "") if level == height - 1 else (f"f{level + 1}", "local")
        calls = [
            helper.make_node(called[0], ["x"], ["t"], domain=called[1]),
            helper.make_node(called[0], ["t"], ["y"], domain=called[1]),
        ]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        model.functions.append(helper.make_function("local", f"f{level}", ["x"], ["y"], calls, opsets))
    model.graph.node.append(helper.make_node("f0", ["scores"], ["towered"], domain="local"))
    return model


def test_a_tower_of_functions_is_counted_not_expanded():
    check_model(tower(10))
    with pytest.raises(WorkbenchError, match=f"{MAXIMUM_NODES:,}") as refused:
        check_model(tower(30))
    assert refused.value.code == "model.too_complex"


def test_a_function_that_calls_itself_is_refused():
    model = tower(1)
    model.functions[0].node[0].op_type = "f0"
    model.functions[0].node[0].domain = "local"
    with pytest.raises(WorkbenchError, match="calls itself"):
        check_model(model)
