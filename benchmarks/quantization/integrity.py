"""Does the file mean the same to a runtime that optimizes and to one that does what the file says?

onnxruntime fuses Q/DQ pairs into integer kernels, and re-quantizes float weights it finds between them. Where it does something
else than the file says, the two results differ by more than single rounding steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime as ort

LEVELS = (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)


def optimized_against_literal(model: Path, inputs: Iterable[np.ndarray], rows_in_any_order: bool = False) -> float:
    """SQNR in dB of the first output with all optimizations against the same file with none.

    Args:
        inputs: Tensors for the model's only input.
        rows_in_any_order: The output is a list of detections, (batch, n, values): compared column by column, sorted.
    """
    optimized, literal = (_open(model, level) for level in LEVELS)
    signal = noise = 0.0
    for data in inputs:
        value, reference = (_first_output(session, data) for session in (optimized, literal))
        if rows_in_any_order:
            value, reference = np.sort(value, axis=1), np.sort(reference, axis=1)
        signal += float(np.square(reference).sum())
        noise += float(np.square(reference - value).sum())
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))


def _open(model: Path, level: ort.GraphOptimizationLevel) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _first_output(session: ort.InferenceSession, data: np.ndarray) -> np.ndarray:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: data})[0], np.float64)
