"""Small models, valid ONNX and unlike what exporters usually write, by name: each is a way in which a quantizer breaks."""

from __future__ import annotations

from tests.support.odd_models import activations, linear, names, readers, shapes, weights
from tests.support.odd_models.building import ODD_MODELS, model_of, normal, samples_for, two_convolutions

__all__ = [
    "ODD_MODELS",
    "activations",
    "linear",
    "model_of",
    "names",
    "normal",
    "readers",
    "samples_for",
    "shapes",
    "two_convolutions",
    "weights",
]
