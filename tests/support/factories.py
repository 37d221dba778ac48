"""Views with plausible contents, for tests of pages and figures: every argument has a value, each test sets its own.

The numbers are those of the mock-up (500 images, FP32 318 FPS and 86.2 %), so that pictures can be laid side by side.
Accuracy always comes from counts through the engine's own intervals.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.engine.accuracy_aware.verdict import LimitVerdict, judge_limit
from app.engine.benchmark.results import Cell, Environment, GridResult, Latency, PairedVariant, Setting
from app.engine.benchmark.verdict import judge_speed
from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription, TensorInfo
from app.engine.numerics.intervals import Interval, PairedDrop, drop_from_counts, wilson_interval
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import describe
from app.engine.quantize.recipe import AppliedRewrite, KernelReport, NoiseShare, QuantizationSettings, Recipe
from app.engine.runtimes.base import Capabilities
from app.engine.stages.preflight import Candidate, Result
from app.engine.stages.preflight_predictions import PreflightPrediction, Received
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation
from app.services.views import (
    DatasetView,
    Method,
    ModelView,
    ProjectView,
    RunView,
    StageView,
    TrialView,
    VariantView,
    WorkerView,
)

NOW = datetime(2026, 11, 23, 14, 32, 10, tzinfo=UTC)
HOSTILE = '<img src=x onerror=alert(1)> & "$int8" %{x} =1+1'
"""A name that means something in HTML, in Plotly's text, in our figures and in a spreadsheet."""
N = 500
FP32_CORRECT = 431
NAMES: dict[Method, str] = {"fp32": "FP32", "int8-default": "INT8 Default", "int8-accuracy-aware": "INT8 AccuracyAware"}


def a_device(**changes: Any) -> Capabilities:
    usual = Capabilities(
        runtime="onnxruntime",
        version="1.32.0",
        cpu="Intel Xeon",
        cores=4,
        instruction_sets=("avx2", "avx512f", "avx512_vnni"),
        memory_bytes=16 * 2**30,
        system="Linux 6.1, Python 3.11",
    )
    return replace(usual, **changes)


def an_interval(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)


def an_evaluation(
    *, correct: int = FP32_CORRECT, n: int = N, lost: int | None = None, gained: int = 0, labelled: bool = True
) -> Evaluation:
    """lost None: the reference itself. Without labels `correct` is ignored and `lost` counts disagreements."""
    drop: PairedDrop | None = None if lost is None else drop_from_counts(n, lost, gained)
    top5 = min(n, correct + (n - correct) // 2)
    return Evaluation(
        n=n,
        labelled=n if labelled else 0,
        top1_correct=correct if labelled else None,
        top5_correct=top5 if labelled else None,
        agreement=n - (lost or 0) - gained,
        top1=wilson_interval(correct, n) if labelled else None,
        top5=wilson_interval(top5, n) if labelled else None,
        top1_drop=drop,
        top5_drop=drop if labelled else None,
        seconds=12.5,
    )


def a_latency(p50: float = 12.5) -> Latency:
    return Latency(mean=p50 * 1.02, p50=p50, p90=p50 * 1.05, p95=p50 * 1.1, p99=p50 * 1.22, n=3800)


def a_grid(fps: float = 318.0, p50: float = 12.5) -> GridResult:
    """Streams 1 and 4 × batch 1 and 8."""
    shapes = ((1, 4, 1, 0.55), (4, 1, 1, 1.0), (1, 4, 8, 0.7), (4, 1, 8, 1.04))
    cells = tuple(
        Cell(
            setting=Setting(streams=streams, threads=threads, batch=batch),
            throughput_fps=fps * share,
            latency_ms=a_latency(p50 * streams * batch / (4 * share)),
            seconds=2.0,
        )
        for streams, threads, batch, share in shapes
    )
    environment = Environment(device=a_device(), load_average=0.1, governor="performance")
    return GridResult(cells=cells, load_ms=41.0, first_ms=18.2, peak_memory_mb=96.4, environment=environment)


def a_paired(fps: float = 318.0, ratio: float = 1.0, p50: float = 12.5, name: str = "fp32") -> PairedVariant:
    return PairedVariant(
        name=name,
        throughput_fps=an_interval(fps, fps * 0.0125),
        latency_ms=a_latency(p50),
        speedup=an_interval(ratio, 0.0 if ratio == 1.0 else 0.03),
        latency_ratio=an_interval(1 / ratio, 0.0 if ratio == 1.0 else 0.01),
    )


def a_recipe(**changes: Any) -> Recipe:
    usual = Recipe(
        product_version="0.1.0",
        settings=QuantizationSettings(),
        model_sha256="a" * 64,
        calibration_samples=tuple(range(300)),
        quantized_nodes=tuple(f"conv_{n}" for n in range(48)),
        kept_in_float={"features.1.conv.0": "puts accuracy back", "features.17.conv.1": "puts accuracy back"},
        versions={"onnx": "1.23.0", "onnxruntime": "1.32.0"},
    )
    return replace(usual, **changes)


def a_told_recipe(**changes: Any) -> Recipe:
    """With everything that a quantizer can tell of its work."""
    usual: dict[str, Any] = {
        "kept_in_float": {
            "head/scores": "final scores stay in float",
            "stem/conv": "slower in INT8 here: 41 µs against 35 µs",
            "stem/relu": "slower in INT8 here: 9 µs against 4 µs",
        },
        "rewrites": (
            AppliedRewrite("AveragePool as depthwise Conv", ("pool5", "pool6")),
            AppliedRewrite("Pad into Conv", ("pad",)),
        ),
        "noise": (
            NoiseShare("features.1.conv.0", "Conv", 0.61, "another range"),
            NoiseShare("features.17.conv.1", "Conv", 0.3, "left in float"),
            *(NoiseShare(f"conv_{n}", "Conv", 0.0045) for n in range(20)),
        ),
        "kernels": KernelReport(52, 1, 2, 0.982, ("conv_7 was planned in INT8, but runs in float.",)),
        "details": {
            "weights": {
                "chosen": "rounded",
                "candidates": [
                    {"name": "rounded", "sqnr_db": 29.3, "reason": ""},
                    {"name": "nearest", "sqnr_db": 26.9, "reason": ""},
                    {"name": "aligned", "sqnr_db": None, "reason": "nothing to align"},
                ],
            }
        },
    }
    return a_recipe(**{**usual, **changes})


def a_variant(
    method: Method = "fp32",
    *,
    fps: float = 318.0,
    ratio: float = 1.0,
    correct: int = FP32_CORRECT,
    lost: int | None = None,
    gained: int = 0,
    n: int = N,
    labelled: bool = True,
    size_bytes: int = 14_000_000,
    max_drop: float = 1.0,
    **changes: Any,
) -> VariantView:
    """Measured completely; verdicts come from the engine's own functions."""
    evaluation = an_evaluation(correct=correct, n=n, lost=lost, gained=gained, labelled=labelled)
    paired = a_paired(fps, ratio, 12.5 / ratio, method)
    limit: LimitVerdict | None = None
    if evaluation.top1_drop is not None:
        limit = judge_limit(evaluation.top1_drop, FP32_CORRECT, max_drop)
    usual = VariantView(
        id=f"variant-{method}",
        project_id="project-1",
        run_id="" if method == "fp32" else f"run-{method}",
        method=method,
        name=NAMES[method],
        sub="original" if method == "fp32" else "preset performance, 300 samples",
        size_bytes=size_bytes,
        size_ratio=size_bytes / 14_000_000,
        created_at=NOW - timedelta(minutes=30),
        evaluation=evaluation,
        grid=a_grid(fps, 12.5 / ratio),
        paired=paired,
        paired_setting=Setting(streams=4, threads=1, batch=1),
        paired_rounds=12,
        speed=None if method == "fp32" else judge_speed(paired.speedup),
        limit=limit,
        recipe=None if method == "fp32" else a_recipe(),
    )
    return replace(usual, **changes)


def a_default(**changes: Any) -> VariantView:
    """2.0× faster, 1.8 points lost: missed."""
    usual: dict[str, Any] = {"fps": 637.0, "ratio": 2.0, "correct": 422, "lost": 12, "gained": 3, "size_bytes": 3_800_000}
    return a_variant("int8-default", **{**usual, **changes})


def an_accuracy_aware(**changes: Any) -> VariantView:
    """1.8× faster, nothing lost net."""
    usual: dict[str, Any] = {"fps": 573.0, "ratio": 1.8, "correct": 431, "lost": 2, "gained": 2, "size_bytes": 4_300_000}
    return a_variant("int8-accuracy-aware", **{**usual, **changes})


def three_variants() -> tuple[VariantView, ...]:
    return (a_variant(), an_accuracy_aware(), a_default())


def a_model_description(**changes: Any) -> ModelDescription:
    usual = ModelDescription(
        inputs=(TensorInfo("input", "float32", ("batch", 3, 224, 224)),),
        outputs=(TensorInfo("scores", "float32", ("batch", 1000)),),
        opset=13,
        ir_version=8,
        producer="pytorch",
        parameters=3_490_000,
        multiply_adds=300_000_000,
        size_bytes=14_000_000,
        weight_bytes=13_900_000,
        operators={"Conv": 53, "Clip": 35, "Add": 10, "Gemm": 1},
        precision="float32",
        batch=None,
        layout="NCHW",
        channels=3,
        height=224,
        width=224,
        classes=1000,
    )
    return replace(usual, **changes)


def a_model(**changes: Any) -> ModelView:
    usual = ModelView(
        id="model-1",
        name="mobilenet-v2.onnx",
        state="ready",
        size_bytes=14_000_000,
        sha256="a" * 64,
        created_at=NOW - timedelta(hours=1),
        description=a_model_description(),
        error=None,
        run_id="run-inspect-model",
        projects=1,
    )
    return replace(usual, **changes)


def a_dataset_description(**changes: Any) -> DatasetDescription:
    usual = DatasetDescription(
        format="imagenet-list",
        images=N,
        labelled=N,
        classes=312,
        label_min=0,
        label_max=998,
        class_names=(),
        class_counts={str(n): 2 for n in range(250)},
        size_bytes=55_000_000,
        smallest=(120, 90),
        largest=(4288, 2848),
        thumbnails=(0, 20, 40, 60),
    )
    return replace(usual, **changes)


def a_dataset(**changes: Any) -> DatasetView:
    usual = DatasetView(
        id="dataset-1",
        name="imagenet-sample-500",
        state="ready",
        size_bytes=55_000_000,
        created_at=NOW - timedelta(hours=1),
        description=a_dataset_description(),
        error=None,
        run_id="run-inspect-dataset",
        projects=1,
        certifiable_points=0.96,
    )
    return replace(usual, **changes)


def a_trial(number: int, layers: int, *, lost: int, gained: int = 0, chosen: bool = False, max_drop: float = 1.0) -> TrialView:
    evaluation = an_evaluation(correct=FP32_CORRECT - lost + gained, lost=lost, gained=gained)
    assert evaluation.top1_drop is not None
    return TrialView(
        number=number,
        kept_in_float=tuple(f"features.{n}.conv" for n in range(layers)),
        evaluation=evaluation,
        limit=judge_limit(evaluation.top1_drop, FP32_CORRECT, max_drop),
        size_bytes=3_800_000 + 100_000 * layers,
        chosen=chosen,
    )


def trials() -> tuple[TrialView, ...]:
    """Doubling, then bisection: 0, 1, 2, 4 (kept), 3 (kept, chosen)."""
    return (
        a_trial(1, 0, lost=12, gained=3),
        a_trial(2, 1, lost=9, gained=3),
        a_trial(3, 2, lost=10, gained=3),
        a_trial(4, 4, lost=2, gained=2),
        a_trial(5, 3, lost=6, gained=2, chosen=True),
    )


def a_run(**changes: Any) -> RunView:
    """A running AccuracyAware search."""
    usual = RunView(
        id="run-1",
        kind="optimize",
        state="running",
        project_id="project-1",
        title="AccuracyAware, limit 1.0 point",
        settings=QuantizationSettings(method="accuracy-aware"),
        created_at=NOW - timedelta(minutes=9),
        started_at=NOW - timedelta(minutes=8, seconds=41),
        finished_at=None,
        percent=62,
        seconds_gone=521.0,
        seconds_left=(240.0, 540.0),
        stages=stages(),
        log=(),
        trials=trials()[:4],
        error=None,
        result=None,
        worker="lab-xeon",
        sentence="Trial 5 is being compared with FP32.",
        detail="4 trials so far.",
        variant_id="",
        last_event_id=42,
    )
    return replace(usual, **changes)


def stages(now: int = 4) -> tuple[StageView, ...]:
    labels = ("Prepare samples", "FP32 accuracy", "Calibrate", "Quantize", "Compare with FP32", "Rank layers by harm")
    tail = ("Put layers back to FP32", "Throughput and latency", "Measure against FP32")
    made = []
    for index, text in enumerate(labels + tail):
        state = "done" if index < now else "now" if index == now else "todo"
        done = {"done": 500, "now": 318, "todo": 0}[state]
        seconds = 41.0 if state == "done" else None
        made.append(StageView(label=text, state=state, done=done, total=500, message="", seconds=seconds))  # type: ignore[arg-type]
    return tuple(made)


def a_project(**changes: Any) -> ProjectView:
    variants = changes.get("variants", three_variants())
    usual = ProjectView(
        id="project-1",
        name="MobileNet-v2 on ImageNet-500",
        created_at=NOW - timedelta(hours=1),
        model=a_model(),
        dataset=a_dataset(),
        preprocessing=Preprocessing(height=224, width=224, mean=(123.675, 116.28, 103.53), divide_by=(58.395, 57.12, 57.375)),
        task=ClassificationTask(output="scores", classes=1000),
        runtime="onnxruntime",
        max_drop=1.0,
        device=a_device(),
        worker="lab-xeon",
        variants=variants,
        best=variants[1] if len(variants) > 1 else variants[0],
        active_run=None,
        runs=4,
        sentence="INT8 AccuracyAware is 1.8× faster; accuracy unchanged within ±0.8 points on 500 images.",
        detail="INT8 Default is faster still (2.0×) but loses 1.8 ± 1.5 points, more than your limit of 1.0.",
        trials=(),
    )
    return replace(usual, **changes)


def a_preflight_result(*, matches: int = 44, n: int = 48, labelled: bool = True, **changes: Any) -> Result:
    """BGR, 0 to 255 found among four ways; the last `n - matches` pictures are misses."""
    best = Preprocessing(224, 224, colour="BGR")
    ways = ((best, matches), (replace(best, colour="RGB"), matches - 8), (replace(best, divide_by=(255.0,) * 3), 2))
    candidates = tuple(
        Candidate(
            preprocessing=way,
            description=describe(way),
            label_offset=0,
            matches=hits if labelled else 0,
            tried=n,
            mean_confidence=0.81 * hits / matches,
        )
        for way, hits in ways
    )
    usual = Result(
        candidates=candidates,
        chosen=0,
        task=ClassificationTask(output="scores", classes=1000),
        samples=n,
        labelled=labelled,
        decided="clear",
        predictions=tuple(_prediction(position, position < matches, labelled) for position in range(n)),
        received=Received((1, 3, 224, 224), "float32", 0.0, 255.0, (104.1, 115.8, 122.9)),
        seconds=6.2,
        preview_files=tuple(f"preview-{position:03d}.jpg" for position in range(n)),
    )
    return replace(usual, **changes)


def _prediction(position: int, right: bool, labelled: bool) -> PreflightPrediction:
    return PreflightPrediction(
        sample=position,
        name=f"n{position:04d}.jpg",
        preview_file=f"preview-{position:03d}.jpg",
        label=position if labelled else None,
        label_name=f"class {position}" if labelled else "",
        predicted=position if right else position + 1,
        predicted_name=f"class {position}" if right else "coffee mug",
        score=0.71 if right else 0.52,
        second=position + 2 if right else position,
        second_name=f"class {position}",
        second_score=0.2 if right else 0.31,
        correct=right if labelled else None,
    )


def a_worker(**changes: Any) -> WorkerView:
    usual = WorkerView(id="worker-1", name="lab-xeon", state="up", device=a_device(), silent_seconds=1.0, run=None)
    return replace(usual, **changes)
