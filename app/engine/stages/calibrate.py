"""Stage: prepare the graph and observe its activations on the calibration samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.engine.calibration.collector import collect_statistics
from app.engine.calibration.forecast import Forecast, available_memory, require_memory
from app.engine.calibration.observers import save_statistics
from app.engine.calibration.range_estimators import needs_histogram
from app.engine.graph.rewrites import AppliedRewrite
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.observation import choose_samples, observed_tensors
from app.engine.quantize.placement import ONNXRUNTIME, place
from app.engine.quantize.preparation import pixel_scale, prepare
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.runtimes import get_runtime
from app.engine.stages.context import Progress, StageContext
from app.engine.stages.feeding import batches
from app.engine.stages.pixel_file import PixelFile
from app.errors import WorkbenchError


@dataclass(frozen=True)
class Spec:
    model: Path
    pixels: Path
    preprocessing: Preprocessing
    settings: QuantizationSettings


@dataclass(frozen=True)
class Result:
    samples: tuple[int, ...]
    tensors: int
    rewrites: tuple[AppliedRewrite, ...]
    prepared_file: str = "prepared.onnx"
    twin_file: str = "float_twin.onnx"
    """FP32 with the exact rewrites that INT8 has: what its speed is fairly compared with."""
    statistics_file: str = "statistics.npz"


def run(spec: Spec, context: StageContext) -> Result:
    """
    Raises:
        WorkbenchError: `calibration.empty`, `quantize.nothing_to_quantize`, and those of `collect_statistics` and `prepare`.
    """
    with PixelFile(spec.pixels) as pixels:
        return _calibrate(spec, pixels, context)


def _calibrate(spec: Spec, pixels: PixelFile, context: StageContext) -> Result:
    numbers = choose_samples(len(pixels), spec.settings)
    if not numbers:
        raise WorkbenchError("calibration.empty", "Calibration needs at least 1 sample, but the dataset has 0.")
    if len(numbers) < spec.settings.subset_size:
        clamped = (
            f"{spec.settings.subset_size} calibration samples were asked for; the dataset has {len(numbers)}, all are used"
        )
        context.report(Progress(0, len(numbers), clamped))
    result = Result(numbers, 0, ())
    ready = prepare(
        spec.model,
        context.folder / result.prepared_file,
        twin=context.folder / result.twin_file,
        pixels=pixel_scale(spec.preprocessing),
    )
    prepared = ready.model
    placement = place(prepared, ONNXRUNTIME)
    if not placement.quantized:
        raise WorkbenchError(
            "quantize.nothing_to_quantize",
            "No layer of this model has constant weights and an integer kernel in onnxruntime, so INT8 gains nothing.",
            hint="INT8 pays for Conv, Gemm and MatMul layers with weights in the file.",
        )
    tensors = observed_tensors(prepared)

    def tell(needed: Forecast) -> None:
        require_memory(needed, available_memory())
        context.report(Progress(0, len(numbers), f"about {needed.bytes / 2**20:.0f} MiB of memory, however many samples"))

    statistics = collect_statistics(
        get_runtime("onnxruntime"),
        prepared,
        tensors,
        batches(pixels, numbers, spec.preprocessing, prepared),
        histogram=needs_histogram(spec.settings.range_estimator),
        threads=context.threads,
        on_batch=lambda seen: context.report(Progress(seen, len(numbers))),
        total=len(numbers),
        numbers=numbers,
        on_forecast=tell,
    )
    save_statistics(context.folder / result.statistics_file, statistics)
    context.report(Progress(len(numbers), len(numbers), f"{len(tensors)} ranges from {len(numbers)} samples"))
    return Result(numbers, len(tensors), ready.rewrites)
