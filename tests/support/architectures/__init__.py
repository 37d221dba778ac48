"""Small networks of the families that users bring, each with the accuracy that a sound INT8 file keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from tests.support.architectures import classifiers, dense_prediction, sequences, variants
from tests.support.architectures.samples import image_like, wave_like

IMAGE = (3, 32, 32)


@dataclass(frozen=True)
class Architecture:
    name: str
    build: Callable[[], onnx.ModelProto]
    sqnr_db: float | dict[str, float]
    """At least, of every output (or quantity) on held-out samples."""
    shape: tuple[int, ...] = IMAGE
    """Of one sample."""
    samples_of: Callable[..., list[np.ndarray]] = image_like
    quantities: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict
    """Outputs (N, …) -> what is judged one by one: an output that holds pixels and probabilities is two things."""
    integer_share: float = 0.0
    """Of the multiply-adds, at least."""

    def floor(self, quantity: str) -> float:
        return self.sqnr_db[quantity] if isinstance(self.sqnr_db, dict) else self.sqnr_db

    def samples(self, n: int, seed: int = 0) -> list[np.ndarray]:
        """n input tensors of batch 1."""
        return self.samples_of(self.shape, n, seed=seed)


def _rows(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rows = outputs["output_0"]
    return {"boxes": rows[..., :4], "scores": rows[..., 4:]}


def _columns(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    columns = outputs["output_0"]
    return {"boxes": columns[..., :4, :], "scores": columns[..., 4:, :]}


ARCHITECTURES = (
    Architecture("residual", classifiers.residual, 42, integer_share=0.95),
    Architecture("residual_batch_norm", classifiers.residual_batch_norm, 45, integer_share=0.95),
    Architecture("dense", classifiers.dense, 39),
    Architecture("inception", classifiers.inception, 33, integer_share=0.95),
    Architecture("squeeze_excite", classifiers.squeeze_excite, 37, integer_share=0.95),
    Architecture("mobilenet_v2", classifiers.mobilenet_v2, 37, integer_share=0.95),
    Architecture("mobilenet_v3", classifiers.mobilenet_v3, 22, integer_share=0.95),
    Architecture("mobilenet_v3_decomposed", classifiers.mobilenet_v3_decomposed, 22, integer_share=0.95),
    Architecture("efficientnet", classifiers.efficientnet, 30, integer_share=0.95),
    Architecture("grouped_dilated", classifiers.grouped_dilated, 34, integer_share=0.95),
    Architecture("shufflenet", classifiers.shufflenet, 42, integer_share=0.95),
    Architecture("convnext", classifiers.convnext, 38),
    Architecture("two_outputs", classifiers.two_outputs, 42),
    Architecture("constant_operands", classifiers.constant_operands, 30),
    Architecture("unet_transposed", dense_prediction.unet_transposed, 27),
    Architecture("unet_resize", dense_prediction.unet_resize, 29, integer_share=0.95),
    Architecture("super_resolution", dense_prediction.super_resolution, 40, integer_share=0.95),
    Architecture("style_transfer", dense_prediction.style_transfer, 15),
    Architecture("csp_detector", dense_prediction.csp_detector, 26, integer_share=0.95),
    Architecture("fpn_detector", dense_prediction.fpn_detector, {"boxes": 35, "scores": 23}, quantities=_rows),
    Architecture("dfl_detector", dense_prediction.dfl_detector, {"boxes": 39, "scores": 34}, quantities=_columns),
    Architecture("vision_transformer", sequences.vision_transformer, 31),
    Architecture("vision_transformer_decomposed", sequences.vision_transformer_decomposed, 31),
    Architecture("window_attention", sequences.window_attention, 41),
    Architecture("mixer", sequences.mixer, 38),
    Architecture("gru", sequences.gru, 18, (8, 40), wave_like),
    Architecture("lstm", sequences.lstm, 26, (8, 40), wave_like),
    Architecture("audio", sequences.audio, 26, (1, 512), wave_like, integer_share=0.95),
    Architecture("video", sequences.video, 45, (3, 4, 16, 16)),
    Architecture("weights_in_constant_nodes", variants.weights_in_constant_nodes, 42),
    Architecture("weights_as_inputs", variants.weights_as_inputs, 42),
    Architecture("newest_opset", variants.newest_opset, 42),
    Architecture("float16_weights", variants.float16_weights, 44),
    Architecture("shared_weights", variants.shared_weights, 37),
)
