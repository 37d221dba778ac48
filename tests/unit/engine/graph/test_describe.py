"""The description against what the builder put in."""

from __future__ import annotations

import math

import pytest
from onnx import numpy_helper

from app.engine.graph.describe import describe
from app.engine.graph.index import GraphIndex, model_inputs
from app.engine.graph.model_io import load_model
from app.errors import WorkbenchError
from tests.support.model_builder import qdq_classifier, tiny_classifier, two_input_classifier
from tests.support.shared import SHARED, needs_shared


def test_counts_of_a_known_network():
    model = tiny_classifier(width=8)
    described = describe(model)
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert described.parameters == sum(weight.size for weight in weights)
    # conv1 3->8 at 32x32, conv2 and conv3 8->8 at 16x16, fc 8->10
    assert described.multiply_adds == 32 * 32 * 8 * 27 + 2 * 16 * 16 * 8 * 72 + 8 * 10
    assert (described.layout, described.channels, described.height, described.width) == ("NCHW", 3, 32, 32)
    assert (described.classes, described.opset, described.precision, described.batch) == (10, 17, "float32", None)
    assert described.operators["Conv"] == 3
    assert described.notices == ()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"batch": 1}, "model.batch_fixed"),
        ({"height": None, "image_width": None}, "model.size_dynamic"),
        ({"float16": True}, "model.float16"),
        ({"opset": 11}, "model.opset_old"),
    ],
)
def test_what_the_user_should_know_is_noticed(arguments, code):
    assert code in {notice.code for notice in describe(tiny_classifier(**arguments)).notices}


def test_fixed_batch_counts_multiply_adds_per_sample():
    assert describe(tiny_classifier(batch=4)).multiply_adds == describe(tiny_classifier()).multiply_adds


def test_quantized_model_is_recognised():
    described = describe(qdq_classifier())
    assert described.precision == "int8"
    assert "model.quantized" in {notice.code for notice in described.notices}


def test_several_inputs_are_named():
    with pytest.raises(WorkbenchError, match="image, bias") as refused:
        describe(two_input_classifier())
    assert refused.value.code == "model.several_inputs"


def test_weights_listed_as_inputs_are_not_inputs():
    model = tiny_classifier(initializers_as_inputs=True, ir_version=3)
    assert [value.name for value in model_inputs(model.graph)] == ["image"]
    assert len(describe(model).inputs) == 1


def test_index_finds_both_ends_of_every_value():
    graph = tiny_classifier().graph
    index = GraphIndex(graph)
    for node in graph.node:
        assert all(index.producer(name) is node for name in node.output)
        assert all(node in index.consumers(name) for name in node.input)


@needs_shared
@pytest.mark.parametrize(
    ("name", "millions"), [("mobilenet-v2", 300.8), ("squeezenet1.1", 387.7), ("efficientnet-lite0", 385.2)]
)
def test_multiply_adds_of_published_networks(name, millions):
    described = describe(load_model(SHARED / "data" / "models" / f"{name}.onnx"))
    assert math.isclose(described.multiply_adds / 1e6, millions, rel_tol=0.001)
    assert described.classes == 1000
