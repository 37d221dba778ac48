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
    sqnr_db: float
    """At least, of every output on held-out samples."""
    shape: tuple[int, ...] = IMAGE
    """Of one sample."""
    samples_of: Callable[..., list[np.ndarray]] = image_like
    quantities: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict
    """Outputs (N, …) -> what is judged one by one: an output that holds pixels and probabilities is two things."""

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
    Architecture("residual", classifiers.residual, 20),
    Architecture("residual_batch_norm", classifiers.residual_batch_norm, 20),
    Architecture("dense", classifiers.dense, 20),
    Architecture("inception", classifiers.inception, 20),
    Architecture("squeeze_excite", classifiers.squeeze_excite, 20),
    Architecture("mobilenet_v2", classifiers.mobilenet_v2, 20),
    Architecture("mobilenet_v3", classifiers.mobilenet_v3, 20),
    Architecture("mobilenet_v3_decomposed", classifiers.mobilenet_v3_decomposed, 20),
    Architecture("efficientnet", classifiers.efficientnet, 20),
    Architecture("grouped_dilated", classifiers.grouped_dilated, 20),
    Architecture("shufflenet", classifiers.shufflenet, 20),
    Architecture("convnext", classifiers.convnext, 20),
    Architecture("two_outputs", classifiers.two_outputs, 20),
    Architecture("constant_operands", classifiers.constant_operands, 20),
    Architecture("unet_transposed", dense_prediction.unet_transposed, 20),
    Architecture("unet_resize", dense_prediction.unet_resize, 20),
    Architecture("super_resolution", dense_prediction.super_resolution, 20),
    Architecture("style_transfer", dense_prediction.style_transfer, 20),
    Architecture("csp_detector", dense_prediction.csp_detector, 20),
    Architecture("fpn_detector", dense_prediction.fpn_detector, 20, quantities=_rows),
    Architecture("dfl_detector", dense_prediction.dfl_detector, 20, quantities=_columns),
    Architecture("vision_transformer", sequences.vision_transformer, 20),
    Architecture("vision_transformer_decomposed", sequences.vision_transformer_decomposed, 20),
    Architecture("window_attention", sequences.window_attention, 20),
    Architecture("mixer", sequences.mixer, 20),
    Architecture("gru", sequences.gru, 20, (8, 40), wave_like),
    Architecture("lstm", sequences.lstm, 20, (8, 40), wave_like),
    Architecture("audio", sequences.audio, 20, (1, 512), wave_like),
    Architecture("video", sequences.video, 20, (3, 4, 16, 16)),
    Architecture("weights_in_constant_nodes", variants.weights_in_constant_nodes, 20),
    Architecture("weights_as_inputs", variants.weights_as_inputs, 20),
    Architecture("newest_opset", variants.newest_opset, 20),
    Architecture("float16_weights", variants.float16_weights, 20),
    Architecture("shared_weights", variants.shared_weights, 20),
)
