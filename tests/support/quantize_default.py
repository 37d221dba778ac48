"""The engine's whole INT8 Default on sample arrays in place of an image dataset, judged against onnxruntime's FP32."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from app.engine.calibration.collector import collect_statistics
from app.engine.calibration.range_estimators import needs_histogram
from app.engine.numerics.metrics import sqnr_db
from app.engine.quantize.default import DefaultFit, fit_default
from app.engine.quantize.observation import observed_tensors
from app.engine.quantize.placement import ONNXRUNTIME, Placement, place
from app.engine.quantize.preparation import prepare_graph
from app.engine.quantize.recipe import KernelReport, QuantizationSettings
from app.engine.quantize.verification import assemble_verified
from app.engine.runtimes import get_runtime
from app.errors import WorkbenchError

Quantities = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Quantized:
    original: onnx.ModelProto
    prepared: onnx.ModelProto
    model: onnx.ModelProto
    placement: Placement
    report: KernelReport
    """What the engine says about the runtime's kernels."""
    fit: DefaultFit

    @property
    def bytes(self) -> bytes:
        return self.model.SerializeToString(deterministic=True)

    def sqnr(self, samples: Sequence[np.ndarray], quantities: Quantities = dict) -> dict[str, float]:
        """dB of the delivered file against the file that was given, per output or quantity."""
        return compare(self.original, self.model, samples, quantities)


def compare(
    reference: onnx.ModelProto, model: onnx.ModelProto, samples: Sequence[np.ndarray], quantities: Quantities = dict
) -> dict[str, float]:
    """SQNR in dB per output, or per quantity computed from the outputs."""
    wanted, got = (quantities(outputs_of(some, samples)) for some in (reference, model))
    return {name: sqnr_db(wanted[name], got[name]) for name in wanted}


def quantize_default(
    model: onnx.ModelProto, samples: Sequence[np.ndarray], folder: Path, settings: QuantizationSettings | None = None
) -> Quantized:
    """
    Args:
        samples: Input tensors of batch 1.
        folder: For the files that the engine writes.

    Raises:
        WorkbenchError: Whatever the stages would refuse with.
    """
    settings = settings or QuantizationSettings()
    runtime = get_runtime("onnxruntime")
    source = folder / "model.onnx"
    source.write_bytes(model.SerializeToString())
    prepared = prepare_graph(source, folder / "prepared.onnx")
    if not place(prepared, ONNXRUNTIME).quantized:
        raise WorkbenchError("quantize.nothing_to_quantize", "No layer of this model has an integer kernel.")
    statistics = collect_statistics(
        runtime,
        prepared,
        observed_tensors(prepared),
        samples,
        histogram=needs_histogram(settings.range_estimator),
        threads=1,
        on_batch=lambda _seen: None,
    )
    fit = fit_default(runtime, prepared, statistics, samples, settings, threads=1)
    verified = assemble_verified(fit.graph, ONNXRUNTIME, fit.keep_float, fit.fitted, folder)
    return Quantized(model, prepared, verified.model, verified.placement, verified.report, fit)


def outputs_of(model: onnx.ModelProto, samples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Output name -> (N, …), by onnxruntime with its default optimizations on one thread."""
    session = _session(model)
    names = [output.name for output in session.get_outputs()]
    (entry,) = session.get_inputs()
    runs = [session.run(names, {entry.name: x}) for x in samples]
    return {name: np.stack([run[position] for run in runs]) for position, name in enumerate(names)}


def optimized_graph(model: onnx.ModelProto, folder: Path) -> onnx.GraphProto:
    """What onnxruntime really runs."""
    target = folder / "optimized.onnx"
    _session(model, target)
    return onnx.load(target).graph


def kernels(model: onnx.ModelProto, folder: Path) -> Counter[str]:
    return Counter(node.op_type for node in optimized_graph(model, folder).node)


def _session(model: onnx.ModelProto, optimized: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
