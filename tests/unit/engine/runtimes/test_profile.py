"""Kernel times of real files, and whose they are."""

from __future__ import annotations

import numpy as np
import pytest

from app.engine.runtimes.profile import owner_of, profile_kernels
from app.errors import WorkbenchError
from tests.support.depthwise import gated_depthwise


def test_every_kernel_of_the_optimized_graph_is_timed(tmp_path):
    image = np.zeros((1, 4, 8, 8), np.float32)
    kernels = profile_kernels(gated_depthwise(16).SerializeToString(), {"image": image}, tmp_path, runs=3)
    layers = [kernel for kernel in kernels if kernel.op_type == "QLinearConv"]
    names = {"first", "depthwise", "squeeze", "excite", "last"}
    assert {owner_of(kernel.name, names) for kernel in layers} == names
    assert {owner_of(kernel.name, names): kernel.elements for kernel in layers}["depthwise"] == 16 * 8 * 8
    assert all(kernel.microseconds >= 0 for kernel in kernels)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_run_is_refused(tmp_path):
    with pytest.raises(WorkbenchError) as refused:
        profile_kernels(gated_depthwise(16).SerializeToString(), {"image": np.zeros((1, 3, 8, 8), np.float32)}, tmp_path)
    assert refused.value.code == "runtime.run_failed"


@pytest.mark.parametrize(
    ("kernel", "owner"),
    [
        ("conv1", "conv1"),
        ("conv1_token_3", "conv1"),
        ("conv10_token_3", "conv10"),
        ("conv1_nchwc", "conv1"),
        ("a/mul/QuickGeluFusion/", "a/mul"),
        ("conv12", None),
        ("Transpose_token_4", None),
    ],
)
def test_owner_is_the_longest_name_in_front(kernel, owner):
    assert owner_of(kernel, {"conv1", "conv10", "a/mul", "a"}) == owner
