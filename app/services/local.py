"""What the command line does without server and database: the pages' pipelines in a temporary folder.

Everything that opens an uploaded file runs in a child here, too: the command line is often given files from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.engine.benchmark.results import GridResult, PairedResult, Setting
from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription, Notice
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import PRESETS, get_preset
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json, read_json, to_json
from app.engine.stages.preflight import Result as PreflightResult
from app.engine.tasks.results import Evaluation
from app.errors import WorkbenchError
from app.jobs.events import Event
from app.jobs.executor import Artifact, StageOutcome
from app.jobs.local import LocalExecutor
from app.jobs.pipelines import (
    PREPARE,
    REFERENCE,
    BenchmarkPlan,
    OptimizeOutcome,
    ProjectInputs,
    run_optimize,
)
from app.services.plans import check_possible, clamp_subset
from app.settings import Settings
from app.storage.blobs import hash_file

AUTO = "auto"
PREPROCESSING_HINT = "Take one that the workbench wrote as a pattern: `preprocessing.json` of --out or of a downloaded package."
LOOK_MODEL, LOOK_DATASET, PREFLIGHT = "Look into the model", "Look into the dataset", "Preflight"
BENCHMARK, COMPARE = "Throughput and latency", "Measure in turns"


@dataclass
class Bench:
    """One command's place of work. `seconds` and `peak_memory_mb` add up what its stages cost."""

    folder: Path
    settings: Settings
    on_event: Callable[[Event], None] = lambda _event: None
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    def __post_init__(self) -> None:
        self.executor = LocalExecutor(self.folder, self.settings, self.on_event)

    def run(
        self,
        stage: str,
        label: str,
        files: Mapping[str, Artifact | Sequence[Artifact] | None],
        params: Mapping[str, object],
        wall_seconds: float = 0,
    ) -> StageOutcome:
        outcome = self.executor.run(stage, files=files, params=params, label=label, wall_seconds=wall_seconds)
        self.seconds[label] = self.seconds.get(label, 0.0) + outcome.seconds
        self.peak_memory_mb = max(self.peak_memory_mb, outcome.peak_memory_mb)
        return outcome


@dataclass(frozen=True)
class LocalModel:
    name: str
    file: Artifact
    description: ModelDescription


@dataclass(frozen=True)
class LocalProject:
    model: LocalModel
    dataset: DatasetDescription
    dataset_name: str
    inputs: ProjectInputs
    preflight: PreflightResult


@dataclass(frozen=True)
class LocalOptimization:
    project: LocalProject
    outcome: OptimizeOutcome
    notices: tuple[Notice, ...]


def inspect_model(bench: Bench, path: Path) -> LocalModel:
    """Raises WorkbenchError: `file.missing`, and what the stage refuses (`model.…`)."""
    outcome = bench.run(
        "inspect_model",
        LOOK_MODEL,
        {"upload": Artifact(existing(path)), "folder": Artifact(path.absolute().parent)},
        {"filename": path.name},
        bench.settings.inspect_seconds,
    )
    file = outcome.files[outcome.result["model_file"]]
    description = from_json(ModelDescription, outcome.result["description"])
    return LocalModel(path.name, Artifact(file.path, hash_file(file.path)), description)


def open_project(
    bench: Bench,
    model: LocalModel,
    dataset_path: Path,
    preprocessing: Preprocessing | str,
    size: tuple[int, int] | None = None,
) -> LocalProject:
    """Look into the dataset and find out, or check, how images become inputs.

    Args:
        preprocessing: What `read_preprocessing` gave.
        size: (height, width), for models that leave them open.

    Raises:
        WorkbenchError: `file.missing`, `preprocessing.size_needed`, and what the stages refuse (`dataset.…`, `preflight.…`).
    """
    fixed = choose_preprocessing(preprocessing, model.description, size)
    looked = bench.run(
        "inspect_dataset", LOOK_DATASET, {"upload": Artifact(existing(dataset_path))}, {"filename": dataset_path.name}
    )
    description = from_json(DatasetDescription, looked.result["description"])
    index = looked.files[looked.result["index_file"]]
    pack = looked.files[looked.result["pack_file"]] if looked.result["pack_file"] else None
    height, width = size or (None, None)
    tried = bench.run(
        "preflight",
        PREFLIGHT,
        {"model": model.file, "index": index, "pack": pack},
        {"fixed": None if fixed is None else to_json(fixed), "height": height, "width": width},
        bench.settings.inspect_seconds,
    ).load(PreflightResult)
    chosen = tried.candidates[tried.chosen].preprocessing
    inputs = ProjectInputs(model.file, index, pack, chosen, tried.task)
    return LocalProject(model, description, dataset_path.name, inputs, tried)


def read_preprocessing(text: str) -> Preprocessing | str:
    """A JSON file's content; `auto` and the presets' names as they are, since they need the model's size.

    Raises:
        WorkbenchError: `preprocessing.unknown`, `preprocessing.file`, `file.missing`.
    """
    if text in (AUTO, *PRESETS):
        return text
    path = Path(text)
    if path.suffix != ".json":
        message = f"There is no preprocessing {text!r}; there are: {', '.join([AUTO, *PRESETS])}, or a JSON file."
        hint = "auto finds out what fits; a file of your own is named with its ending .json."
        raise WorkbenchError("preprocessing.unknown", message, where="--preprocessing", hint=hint)
    try:
        return read_json(Preprocessing, existing(path))
    except WorkbenchError as error:
        if error.code != "record.invalid":
            raise
        message = f"The file is not a preprocessing: {error.message.partition(': ')[2]}"
        raise WorkbenchError("preprocessing.file", message, where=f"{path}: {error.where}", hint=PREPROCESSING_HINT) from error
    except (ValueError, OSError) as error:
        message = f"The file cannot be read as JSON: {error}."
        raise WorkbenchError("preprocessing.file", message, where=str(path), hint=PREPROCESSING_HINT) from error


def choose_preprocessing(
    asked: Preprocessing | str, model: ModelDescription, size: tuple[int, int] | None
) -> Preprocessing | None:
    """A preset at the model's size; None for `auto`.

    Raises:
        WorkbenchError: `preprocessing.size_needed`.
    """
    if isinstance(asked, Preprocessing):
        return asked
    if asked == AUTO:
        return None
    height, width = (model.height, model.width) if size is None else size
    if height is None or width is None:
        raise WorkbenchError(
            "preprocessing.size_needed",
            "The model takes images of any size, so the size to use must be given.",
            where="--size",
            hint="--size 224x224 is usual for classification.",
        )
    return get_preset(asked, height, width, model.channels or 3, model.layout or "NCHW")


def evaluate(bench: Bench, project: LocalProject) -> Evaluation:
    """Accuracy of the model on every sample; without labels only how many there are."""
    inputs = project.inputs
    prepared = bench.run(
        "prepare", PREPARE, {"index": inputs.index, "pack": inputs.pack}, {"preprocessing": to_json(inputs.preprocessing)}
    )
    evaluated = bench.run(
        "evaluate",
        REFERENCE,
        {
            "model": inputs.model,
            "pixels": prepared.files["pixels.npy"],
            "labels": prepared.files["labels.npy"],
            "reference": None,
        },
        {"preprocessing": to_json(inputs.preprocessing), "task": to_json(inputs.task)},
    )
    return from_json(Evaluation, evaluated.result["evaluation"])


def optimize(bench: Bench, project: LocalProject, settings: QuantizationSettings) -> LocalOptimization:
    """
    Raises:
        WorkbenchError: `optimize.already_quantized`, and what the stages refuse.
    """
    check_possible(project.model.description, project.model.name)
    clamped, notices = clamp_subset(settings, project.dataset.images)
    limits = bench.settings
    plan = BenchmarkPlan(limits.usable_cores, limits.benchmark_seconds, limits.paired_seconds)
    outcome = run_optimize(bench.executor, project.inputs, clamped, plan)
    for label, seconds in outcome.effort.seconds.items():
        bench.seconds[label] = bench.seconds.get(label, 0.0) + seconds
    bench.peak_memory_mb = max(bench.peak_memory_mb, outcome.effort.peak_memory_mb)
    return LocalOptimization(project, outcome, notices)


def benchmark(
    bench: Bench, model: LocalModel, settings: Sequence[Setting], seconds: float, size: tuple[int, int] | None
) -> GridResult:
    """One file at several settings, on random inputs; `seconds` per setting."""
    height, width = size or (None, None)
    outcome = bench.run(
        "benchmark",
        f"{BENCHMARK}: {model.name}",
        {"model": model.file},
        {"settings": [to_json(setting) for setting in settings], "seconds": seconds, "height": height, "width": width},
    )
    return from_json(GridResult, outcome.result["grid"])


def compare(
    bench: Bench, models: Sequence[LocalModel], setting: Setting, seconds: float, size: tuple[int, int] | None
) -> PairedResult:
    """Several files in turns, the first is the reference; `seconds` for all together."""
    height, width = size or (None, None)
    label = f"{COMPARE}: {setting.streams} × {setting.threads} threads, batch {setting.batch}"
    outcome = bench.run(
        "paired",
        label,
        {"models": [model.file for model in models]},
        {
            "names": [f"{number}" for number, _ in enumerate(models)],
            "setting": to_json(setting),
            "seconds": seconds,
            "height": height,
            "width": width,
        },
    )
    return from_json(PairedResult, outcome.result["paired"])


def existing(path: Path) -> Path:
    """The absolute path. Raises WorkbenchError `file.missing`."""
    if not path.exists():
        hint = "Check the path."
        raise WorkbenchError("file.missing", "There is no such file or folder.", where=str(path), hint=hint)
    return path.absolute()
