"""Models made to slip past the counting: each is refused before a library sees it."""

from __future__ import annotations

import pytest
from onnx import ModelProto, TensorProto, helper

from app.engine.graph.describe import describe
from app.engine.graph.model_io import load_model
from app.engine.graph.safety import DEEPEST_CALLS, MAXIMUM_NODES, check_model
from app.errors import WorkbenchError
from tests.support.model_builder import tiny_classifier


def chained(length: int, *, in_branches: bool = False) -> ModelProto:
    """Functions that each call the next: once, or once in each branch of an If."""
    model = tiny_classifier()
    model.opset_import.append(helper.make_opsetid("local", 1))
    for n in range(length):
        called, domain = ("Relu", "") if n == length - 1 else (f"f{n + 1}", "local")
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        body = _branches(called, domain) if in_branches else [helper.make_node(called, ["x"], ["y"], domain=domain)]
        model.functions.append(helper.make_function("local", f"f{n}", ["x"], ["y"], body, opsets))
    model.graph.node.append(helper.make_node("f0", ["scores"], ["last"], domain="local"))
    return model


def _branches(called, domain):
    def branch(name):
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(called, ["x"], [name], domain=domain)], name, [], [output])

    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    return [helper.make_node("Constant", [], ["c"], value=true), chosen]


def test_a_tower_hidden_in_branches_is_counted():
    with pytest.raises(WorkbenchError, match=f"{MAXIMUM_NODES:,}") as refused:
        check_model(chained(30, in_branches=True))
    assert refused.value.code == "model.too_complex"


def test_a_long_chain_of_functions_is_refused_not_followed():
    check_model(chained(DEEPEST_CALLS))
    with pytest.raises(WorkbenchError) as refused:
        check_model(chained(5_000))
    assert refused.value.code == "model.too_complex"


def test_graphs_nested_deeper_than_protobuf_reads_are_not_called_truncated(tmp_path):
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], []).SerializeToString()
    for _ in range(60):
        inner = _field(1, _field(4, b"Loop") + _field(5, _field(1, b"body") + _field(6, inner))) + _field(2, b"g")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08" + _field(7, inner))
    with pytest.raises(WorkbenchError) as refused:
        load_model(path)
    assert refused.value.code == "model.too_complex"


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field; the Python library refuses to build a message this deep."""
    length, size = [], len(payload)
    while size >= 128:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + payload


def test_a_model_without_input_has_no_image_input():
    model = tiny_classifier()
    del model.graph.input[:]
    with pytest.raises(WorkbenchError) as refused:
        describe(model)
    assert refused.value.code == "model.no_image_input"


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.STRING])
def test_an_input_that_no_image_can_become_is_refused(kind):
    model = tiny_classifier()
    model.graph.input[0].type.tensor_type.elem_type = kind
    with pytest.raises(WorkbenchError) as refused:
        describe(model)
    assert (refused.value.code, refused.value.where) == ("model.no_image_input", "image")


def test_unusual_channels_are_not_called_a_free_size():
    model = tiny_classifier()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    codes = {notice.code for notice in describe(model).notices}
    assert "model.channels" in codes
    assert "model.size_dynamic" not in codes
