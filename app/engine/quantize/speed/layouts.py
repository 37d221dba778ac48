"""Changes of a finished INT8 file that compute the same numbers. Which of them pay depends on the device: they are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from app.engine.quantize.speed.channels import pad_channels
from app.engine.quantize.stem import absorb_affine, pad_stem

ABSORB_AFFINE, PAD_CHANNELS, PAD_STEM = "absorb-affine", "pad-channels", "pad-stem"
LAYOUTS: Mapping[str, Callable[[onnx.ModelProto], bool | tuple[str, ...]]] = {
    ABSORB_AFFINE: absorb_affine,
    PAD_CHANNELS: pad_channels,
    PAD_STEM: pad_stem,
}
"""Name -> rewrite in place, in the order of use; what it returns is false when it found nothing to do."""
FOR_FLOAT_TOO = (PAD_CHANNELS,)
"""Layouts that may help the float original, so that what INT8 is compared with gets them."""


def apply_layouts(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A new model; the same one when none of the layouts finds anything to do in it."""
    for name, rewrite in LAYOUTS.items():
        if name in names:
            changed = onnx.ModelProto()
            changed.CopyFrom(model)
            model = changed if rewrite(changed) else model
    return model
