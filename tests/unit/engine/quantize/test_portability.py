"""Saturation without VNNI: the figures against a literal emulation, the probe, the words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper, numpy_helper

from app.engine.numerics.affine import QParams, quantize
from app.engine.quantize.layers import Layer
from app.engine.quantize.patches import sample_rows
from app.engine.quantize.portability import assess
from app.engine.quantize.safe_pairs import LARGEST_PAIR, safe_scales, tame_pairs
from app.engine.quantize.saturation import layer_risk, saturates
from app.engine.quantize.weights import QMAX, round_to_nearest, weight_scales
from app.engine.runtimes import get_runtime
from tests.support import vpmaddubsw

RUNTIME = get_runtime("onnxruntime")
GRID = QParams(np.float32(1 / 255), np.uint8(0))
SIGNED = QParams(np.float32(1 / 127), np.uint8(128))


def layer_of(weight: np.ndarray, *, op_type: str = "Conv", groups: int = 1, name: str = "layer") -> Layer:
    axis = 0 if op_type == "Conv" else 1
    return Layer(name, op_type, "x", "y", "w", weight.astype(np.float32), axis, "", None, groups, {"pads": [1] * 4})


def rounded(layer: Layer, bits: int = 8) -> np.ndarray:
    scales = weight_scales(layer, np.float32(1))
    return round_to_nearest(layer.rows, safe_scales(layer, scales) if bits == 7 else scales)


def emulated_share(layer: Layer, rows_q: np.ndarray, codes: np.ndarray) -> float:
    """Share of outputs with a pair cut off; K in the kernel's order: channels within one tap of the filter."""
    hits = []
    per_group = layer.channels // layer.groups
    for group in range(layer.groups):
        a, w = codes[group], rows_q[group * per_group : (group + 1) * per_group]
        if layer.op_type == "Conv":
            shape = layer.weight.shape[1:]
            a, w = (m.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(len(m), -1) for m in (a, w))
        hits.append(vpmaddubsw.multiply(a, w)[1].mean())
    return float(np.mean(hits))


CASES = {
    "3x3": layer_of(np.random.default_rng(0).normal(0.3, 1, (6, 8, 3, 3))),
    "3x3 on an odd number of channels": layer_of(np.random.default_rng(1).normal(0.3, 1, (6, 3, 3, 3))),
    "grouped": layer_of(np.random.default_rng(2).normal(0.3, 1, (8, 4, 3, 3)), groups=2),
    "MatMul": layer_of(np.random.default_rng(3).normal(0.3, 1, (33, 12)), op_type="MatMul"),
}


@pytest.mark.parametrize("grid", [GRID, SIGNED], ids=["0..255", "zero point 128"])
@pytest.mark.parametrize("name", CASES)
def test_shares_are_those_of_the_literal_emulation(name, grid):
    layer, rng = CASES[name], np.random.default_rng(5)
    shape = (2, layer.weight.shape[1] * layer.groups, 6, 6) if layer.op_type == "Conv" else (40, 33)
    x = rng.uniform(0, 1, shape).astype(np.float32)
    patches = sample_rows(layer, x, rng, 40)
    risk = layer_risk(layer, rounded(layer), grid, patches)
    assert risk.outputs_hit == pytest.approx(emulated_share(layer, rounded(layer), quantize(patches, grid)))
    assert risk.outputs_hit > 0.01
    assert 0 < risk.pairs < 1


@pytest.mark.parametrize("name", CASES)
def test_with_7_bits_nothing_is_at_risk(name):
    layer = CASES[name]
    assert layer_risk(layer, rounded(layer, 7)).pairs == 0


WEIGHTS = st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(2), st.just(3))


@given(weight=arrays(np.float32, WEIGHTS, elements=st.floats(-1, 1, width=32)))
def test_safe_scales_make_no_pair_that_saturates_and_are_at_most_twice_as_coarse(weight):
    layer = layer_of(weight)
    scales = weight_scales(layer, np.float32(1))
    safe = safe_scales(layer, scales)
    assert layer_risk(layer, round_to_nearest(layer.rows, safe)).pairs == 0
    assert (safe >= scales).all()
    assert (safe <= 2.001 * scales).all()


@given(rows_q=arrays(np.int8, st.tuples(st.integers(1, 4), st.sampled_from([9, 18, 27])), elements=st.integers(-127, 127)))
def test_tamed_pairs_do_not_saturate_and_the_others_stay(rows_q):
    layer = layer_of(np.ones((len(rows_q), rows_q.shape[1] // 9, 3, 3)))
    tamed = tame_pairs(layer, rows_q)
    assert layer_risk(layer, tamed).pairs == 0
    np.testing.assert_array_equal(np.sign(tamed), np.sign(rows_q))
    if layer_risk(layer, rows_q).pairs == 0:
        np.testing.assert_array_equal(tamed, rows_q)


def test_safe_pairs_cost_less_than_7_bits():
    """Two largest weights of one sign seldom form a pair, so scales grow by less than the 2 of 7 bits."""
    layer = CASES["3x3"]
    scales = weight_scales(layer, np.float32(1))
    sevenths = scales * np.float32(QMAX / 64)
    noises = []
    for chosen in (sevenths, safe_scales(layer, scales)):
        noise = layer.rows - round_to_nearest(layer.rows, chosen) * chosen[:, None]
        noises.append(np.square(noise).mean())
    assert noises[1] < 0.7 * noises[0]


def test_safe_pairs_are_as_large_as_they_can_be():
    """One step more, and two full codes pass 16 bits."""
    layer = layer_of(np.ones((32, 8)), op_type="MatMul")
    for steps, pairs in ((LARGEST_PAIR // 2, 0), (LARGEST_PAIR // 2 + 1, 1)):
        assert layer_risk(layer, np.full((8, 32), steps, np.int8)).pairs == pairs


def test_depthwise_layers_have_other_instructions():
    layer = layer_of(np.ones((8, 1, 3, 3)), groups=8)
    patches = np.ones((8, 20, 9), np.float32)
    assert layer_risk(layer, np.full((8, 9), 127, np.int8), GRID, patches) == layer_risk(
        layer, np.zeros((8, 9), np.int8), GRID, patches
    )


def test_codes_that_never_come_make_no_risk():
    layer = layer_of(np.ones((32, 8)), op_type="MatMul")
    rows_q = np.full((8, 32), 127, np.int8)
    quiet = np.full((1, 10, 32), 0.4, np.float32)  # codes of 102: 2 * 102 * 127 fits
    assert layer_risk(layer, rows_q, GRID, quiet).pairs == 0
    assert layer_risk(layer, rows_q).pairs == 1  # unknown codes: the bound


class WithoutVnni:
    """A runtime that computes the probe's product as such a CPU does."""

    name = "emulated"

    def open(self, model, **_):
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer}
        self._weights = constants["w_q"].T
        return self

    def run(self, feeds, outputs=None):
        return [vpmaddubsw.multiply(feeds["x"].astype(np.uint8), self._weights)[0].astype(np.float32)]


def test_the_probe_tells_what_this_device_does():
    expected = RUNTIME.capabilities()
    if expected.int8_kernels or not expected.instruction_sets:
        assert not saturates(RUNTIME)
    assert saturates(WithoutVnni())


QEMU = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="needs QEMU's user mode (Debian: qemu-user-static)")
@pytest.mark.parametrize(("cpu", "expected"), [("Haswell", "True"), ("Nehalem", "False")])
def test_the_probe_on_emulated_processors(cpu, expected):
    packages = [path for path in sys.path if path.endswith("site-packages")]
    code = (
        f"import sys; sys.path[:0] = {[str(Path.cwd()), *packages]!r}\n"
        "from app.engine.runtimes import get_runtime\n"
        "from app.engine.quantize.saturation import saturates\n"
        "print(saturates(get_runtime('onnxruntime')))"
    )
    python = str(Path(sys.executable).resolve())
    done = subprocess.run([QEMU, "-cpu", cpu, python, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == expected


def product(weight: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", len(weight)])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", weight.shape[1]])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def assess_product(bits: int, grids):
    layer = CASES["MatMul"]
    samples = [np.random.default_rng(seed).uniform(0, 1, (8, 33)).astype(np.float32) for seed in range(3)]
    return assess(RUNTIME, product(layer.weight), {"layer": layer}, {"layer": rounded(layer, bits)}, grids, samples, threads=1)


def test_a_file_at_risk_says_where_how_much_and_what_avoids_it():
    told = assess_product(8, {"x": GRID})
    assert [risk.node for risk in told.layers] == ["layer"]
    where, how_much, remedy = told.sentences
    assert "without VNNI (before Intel Cascade Lake" in where
    assert "1 of 1 integer layers" in where
    assert "(layer)" in how_much
    assert "7 bits" in remedy


def test_without_grids_only_the_bound_is_told():
    told = assess_product(8, {})
    assert told.layers[0].outputs_hit is None
    assert len(told.sentences) == 2


def test_a_safe_file_says_so():
    told = assess_product(7, {"x": GRID})
    assert told.layers == ()
    assert told.sentences == ("The same answers on all CPUs: no product of its 1 integer layers can pass 16 bits.",)
