"""x86 CPUs without VNNI cut the sum of two products off at 16 bits: which layers, and how many of their outputs.

Their instruction vpmaddubsw multiplies a pair of uint8 activations with a pair of int8 weights and adds both *in int16*,
saturated; VNNI (and AMX, Arm, and kernels before AVX2) add in int32. A pair is what lies side by side where the kernel reads:
input channels within one tap of a convolution.

| symbol | meaning | shape | dtype |
| --- | --- | --- | --- |
| a | codes of a layer's input, as its grid makes them, zero point included | (n, K) | uint8 |
| w | integer weights | (C, K) | int8 |

    hit(i, c)    some pair k has  a[i,2k] w[c,2k] + a[i,2k+1] w[c,2k+1]  outside -32768..32767
    at risk      the pairs for which codes between the smallest and the largest one seen could do that

With |w| <= 64, 7 bits, no pair can: 2 * 255 * 64 = 32640. Depthwise convolutions use other instructions and are never hit.
Checked against onnxruntime 1.32 on an emulated Haswell (QEMU 7.2): integers equal to the last bit for Conv, grouped Conv and
MatMul; on an emulated Nehalem (SSE) nothing saturates.
Published harm: ResNet-50 74.8 -> 69.0 % top-1, MobileNet-v2 65.8 -> 58.6 %.

Degenerate inputs: an odd K ends with half a pair, which never saturates; without samples only the bound is known, for codes
0..255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.engine.numerics.affine import QParams, quantize
from app.engine.quantize.layers import Layer
from app.engine.runtimes.base import Runtime

LOWEST, HIGHEST = -(2**15), 2**15 - 1


@dataclass(frozen=True)
class LayerRisk:
    node: str
    pairs: float
    """Share of (output channel, pair of inputs) at risk, 0..1."""
    outputs_hit: float | None
    """Share of outputs on the sampled positions with at least one saturated pair, 0..1; None without samples."""


def layer_risk(layer: Layer, rows_q: np.ndarray, grid: QParams | None = None, patches: np.ndarray | None = None) -> LayerRisk:
    """
    Args:
        rows_q: (C, K) int8.
        grid: Of the layer's input; None with dynamic grids, for which only the bound is known.
        patches: (G, n, K) float32, sampled inputs of each group's weights (`patches.sample_rows`).
    """
    none_hit = None if patches is None or grid is None else 0.0
    if never_saturates(layer):
        return LayerRisk(layer.node, 0.0, none_hit)
    weights = (
        kernel_pairs(layer, rows_q).astype(np.int32).reshape(layer.groups, layer.channels // layer.groups, -1, 2)
    )  # (G, C/G, P, 2)
    if patches is None or grid is None:
        return LayerRisk(layer.node, float(_at_risk(weights, 0, 255).mean()), None)
    codes = (
        kernel_pairs(layer, quantize(patches, grid)).astype(np.int32).reshape(layer.groups, patches.shape[1], -1, 2)
    )  # (G, n, P, 2)
    risky = _at_risk(weights, int(codes.min()), int(codes.max()))
    hits = 0
    for group, channel in np.argwhere(risky.any(axis=2)):
        chosen = risky[group, channel]
        sums = np.einsum("npk,pk->np", codes[group][:, chosen], weights[group, channel, chosen])
        hits += int(((sums < LOWEST) | (sums > HIGHEST)).any(axis=1).sum())
    return LayerRisk(layer.node, float(risky.mean()), hits / (layer.channels * patches.shape[1]))


def kernel_pairs(layer: Layer, rows: np.ndarray) -> np.ndarray:
    """(…, K) in the file's order -> (…, P, 2) as the kernel reads them.

    Conv reads all channels of a tap, then the next tap. A ConvTranspose is run as one product per tap (upsampling.py), so no
    pair reaches over to the next one.
    """
    if layer.op_type not in {"Conv", "ConvTranspose"}:
        return pairs_of(rows)
    taps = int(np.prod(layer.weight.shape[2:]))
    ordered = rows.reshape(*rows.shape[:-1], -1, taps).swapaxes(-1, -2)  # (…, taps, channels)
    if layer.op_type == "Conv":
        return pairs_of(ordered.reshape(rows.shape))
    return pairs_of(ordered).reshape(*rows.shape[:-1], -1, 2)


def from_kernel_pairs(layer: Layer, pairs: np.ndarray) -> np.ndarray:
    """The way back, of (C, P, 2)."""
    count, columns = len(pairs), layer.columns
    if layer.op_type not in {"Conv", "ConvTranspose"}:
        return pairs.reshape(count, -1)[:, :columns]
    taps = int(np.prod(layer.weight.shape[2:]))
    if layer.op_type == "Conv":
        ordered = pairs.reshape(count, -1)[:, :columns].reshape(count, taps, -1)
    else:
        ordered = pairs.reshape(count, taps, -1)[:, :, : columns // taps]
    return ordered.swapaxes(1, 2).reshape(count, columns)


def pairs_of(rows: np.ndarray) -> np.ndarray:
    """(…, K) in the kernel's order -> (…, P, 2), an odd K padded with 0."""
    if rows.shape[-1] % 2:
        rows = np.pad(rows, [*[(0, 0)] * (rows.ndim - 1), (0, 1)])
    return rows.reshape(*rows.shape[:-1], -1, 2)


def never_saturates(layer: Layer) -> bool:
    """Depthwise kernels multiply in 32 bits."""
    return layer.depthwise and layer.channels == layer.groups


def _at_risk(weights: np.ndarray, low: int, high: int) -> np.ndarray:
    """(…, P) bool of (…, P, 2): whether codes in low..high can make the pair's sum leave int16."""
    ends = np.stack([weights * low, weights * high])
    return np.asarray((ends.max(axis=0).sum(axis=-1) > HIGHEST) | (ends.min(axis=0).sum(axis=-1) < LOWEST))


def saturates(runtime: Runtime) -> bool:
    """Whether this runtime's kernels on this device saturate: a product whose every pair does, against the exact sum."""
    inner, rows, columns = 64, 4, 32
    session = runtime.open(_probe(inner, columns).SerializeToString())
    (products,) = session.run({"x": np.full((rows, inner), 255, np.float32)})
    return bool((np.abs(products - 255 * 127 * inner) > 1).any())


def _probe(inner: int, columns: int) -> onnx.ModelProto:
    """x (n, inner) on the grid of scale 1 -> MatMul with weights that are all 127."""
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "w_q": np.full((inner, columns), 127, np.int8),
        "w_zero": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "one", "zero"], ["x_dq"]),
        helper.make_node("DequantizeLinear", ["w_q", "one", "w_zero"], ["w"]),
        helper.make_node("MatMul", ["x_dq", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "saturation_probe",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", inner])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", columns])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
