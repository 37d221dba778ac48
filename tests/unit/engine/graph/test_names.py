"""New names: never one of the graph, its constants or its subgraphs, and always the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from app.engine.graph.names import Names

LABELS = st.text("ab_", min_size=1, max_size=3)


@given(taken=st.sets(LABELS), stem=LABELS)
def test_a_fresh_name_is_not_one_of_the_graph_and_always_the_same(taken, stem):
    inner = helper.make_graph(
        [helper.make_node("Relu", [name], [f"{name}!"], name=name) for name in list(taken)[:1]], "inner", [], []
    )
    nodes = [helper.make_node("If", ["?"], ["!"], then_branch=inner, else_branch=inner)]
    nodes += [helper.make_node("Relu", ["?"], [name]) for name in list(taken)[1:2]]
    constants = [numpy_helper.from_array(np.float32(0), name) for name in list(taken)[2:3]]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in list(taken)[3:]]
    names = Names(helper.make_graph(nodes, "g", inputs, [], constants))
    made = names.fresh(stem)
    assert made not in taken
    assert made.rstrip("_") == stem.rstrip("_")
    assert names.fresh(stem) == made
    if stem not in taken:
        assert made == stem
