"""Placement + grids + integers -> the INT8 file. The same for Default and for every candidate of a search.

Grids and integers are made once, for the placement without exceptions; a candidate that keeps nodes in float uses the same ones
for the rest, so that candidates differ in nothing but the nodes they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from app.engine.numerics.affine import QParams
from app.engine.quantize.barrier import insert_barriers
from app.engine.quantize.insertion import insert_qdq
from app.engine.quantize.placement import Placement
from app.engine.quantize.tensors import plan_tensors
from app.engine.quantize.weights import QuantizedLayer


@dataclass(frozen=True)
class Fitted:
    grids: Mapping[str, QParams]
    layers: Mapping[str, QuantizedLayer]


def assemble(prepared: onnx.ModelProto, placement: Placement, fitted: Fitted) -> onnx.ModelProto:
    """A new model; `prepared` itself when nothing is placed."""
    if not placement.quantized:
        return prepared
    plan = plan_tensors(prepared, placement)
    grids = {name: fitted.grids[name] for name in plan.gridded if name in fitted.grids}
    layers = {name: fitted.layers[name] for name in placement.quantized if name in fitted.layers}
    model = insert_qdq(prepared, plan, grids, layers, placement.quantized)
    insert_barriers(model, placement.kept_in_float)
    return model


def save_fitted(path: Path, fitted: Fitted) -> None:
    """As npz: grids by value name in `values`, `scales`, `zero_points`; per layer its arrays under `<number>.<field>`."""
    grids, layers = fitted.grids, fitted.layers
    arrays: dict[str, np.ndarray] = {
        "values": np.array(list(grids)),
        "scales": np.array([grid.scale for grid in grids.values()], np.float32),
        "zero_points": np.array([grid.zero_point for grid in grids.values()], np.uint8),
        "nodes": np.array(list(layers)),
        "axes": np.array([q.axis for q in layers.values()]),
    }
    for number, layer in enumerate(layers.values()):
        fields = {
            "weight_q": layer.weight_q,
            "weight_scale": layer.weight_scale,
            "bias_q": layer.bias_q,
            "bias_scale": layer.bias_scale,
        }
        arrays.update({f"{number}.{field}": value for field, value in fields.items() if value is not None})
    np.savez(path, allow_pickle=False, **arrays)


def load_fitted(path: Path) -> Fitted:
    with np.load(path, allow_pickle=False) as data:
        grids = {
            str(name): QParams(np.asarray(scale), np.asarray(zero_point))
            for name, scale, zero_point in zip(data["values"], data["scales"], data["zero_points"], strict=True)
        }
        layers = {
            str(name): QuantizedLayer(
                weight_q=data[f"{number}.weight_q"],
                weight_scale=data[f"{number}.weight_scale"],
                axis=int(axis),
                bias_q=data.get(f"{number}.bias_q"),
                bias_scale=data.get(f"{number}.bias_scale"),
            )
            for number, (name, axis) in enumerate(zip(data["nodes"], data["axes"], strict=True))
        }
    return Fitted(grids, layers)
