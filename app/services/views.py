"""What the services hand out: frozen, complete, without a database behind it. Pages, API and CLI render these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.engine.accuracy_aware.verdict import LimitVerdict
from app.engine.benchmark.results import GridResult, PairedVariant, Setting
from app.engine.benchmark.verdict import SpeedState
from app.engine.datasets.description import DatasetDescription
from app.engine.graph.description import ModelDescription, Notice
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings, Recipe
from app.engine.runtimes.base import Capabilities
from app.engine.tasks.classification import ClassificationTask
from app.engine.tasks.results import Evaluation

if TYPE_CHECKING:
    from app.engine.stages.preflight import Result as PreflightResult

AssetState = Literal["inspecting", "ready", "refused"]
RunKind = Literal["inspect-model", "inspect-dataset", "preflight", "baseline", "optimize", "compare"]
RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Method = Literal["fp32", "int8-default", "int8-accuracy-aware"]
WorkerState = Literal["up", "draining", "gone"]


@dataclass(frozen=True)
class ErrorView:
    code: str
    message: str
    where: str
    hint: str


@dataclass(frozen=True)
class ModelView:
    id: str
    name: str
    state: AssetState
    size_bytes: int
    sha256: str
    created_at: datetime
    description: ModelDescription | None
    error: ErrorView | None
    run_id: str
    """Of the inspection, to follow it."""
    projects: int


@dataclass(frozen=True)
class DatasetView:
    id: str
    name: str
    state: AssetState
    size_bytes: int
    created_at: datetime
    description: DatasetDescription | None
    error: ErrorView | None
    run_id: str
    projects: int
    certifiable_points: float | None
    """Smallest drop this many labelled images certify when nothing is lost net, at 0.6 % lost and gained (accuracy.md §5.4)."""


@dataclass(frozen=True)
class UploadView:
    id: str
    kind: Literal["model", "dataset"]
    filename: str
    size_bytes: int
    offset: int
    result_id: str
    """Model or dataset id once complete, else ""."""


@dataclass(frozen=True)
class StageView:
    label: str
    state: Literal["todo", "now", "done", "failed"]
    done: int
    total: int
    message: str
    seconds: float | None


@dataclass(frozen=True)
class LogLine:
    event_id: int
    at: datetime
    stage: str
    message: str


@dataclass(frozen=True)
class TrialView:
    number: int
    kept_in_float: tuple[str, ...]
    evaluation: Evaluation
    limit: LimitVerdict | None
    size_bytes: int
    chosen: bool


@dataclass(frozen=True)
class RunView:
    id: str
    kind: RunKind
    state: RunState
    project_id: str
    title: str
    """"AccuracyAware, limit 1.0 point"."""
    settings: QuantizationSettings | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    percent: int
    seconds_gone: float
    seconds_left: tuple[float, float] | None
    """Lower and upper estimate; None while nothing can be said."""
    stages: tuple[StageView, ...]
    log: tuple[LogLine, ...]
    """Newest last, at most 200."""
    trials: tuple[TrialView, ...]
    error: ErrorView | None
    result: dict[str, Any] | None
    worker: str
    sentence: str
    detail: str
    variant_id: str
    """Of the variant it made, else ""."""
    last_event_id: int

    @property
    def is_open(self) -> bool:
        """Waiting or under way."""
        return self.state in ("queued", "running")


@dataclass(frozen=True)
class VariantView:
    id: str
    project_id: str
    run_id: str
    method: Method
    name: str
    sub: str
    """One line below the name: "preset performance, 300 samples"."""
    size_bytes: int
    size_ratio: float
    """Against the original."""
    created_at: datetime
    evaluation: Evaluation | None
    grid: GridResult | None
    paired: PairedVariant | None
    """Of the newest comparison with FP32 that contains it."""
    paired_setting: Setting | None
    paired_rounds: int
    speed: SpeedState | None
    limit: LimitVerdict | None
    """Against the project's limit."""
    recipe: Recipe | None
    twin: PairedVariant | None = None
    """FP32 with the same exact rewrites, against FP32, from the comparison of the run that made this variant."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of the run that made it, by step."""


@dataclass(frozen=True)
class ProjectView:
    id: str
    name: str
    created_at: datetime
    model: ModelView
    dataset: DatasetView
    preprocessing: Preprocessing
    task: ClassificationTask
    runtime: str
    max_drop: float
    device: Capabilities | None
    """Of the worker that measured last, or of one that is up."""
    worker: str
    variants: tuple[VariantView, ...]
    """FP32 first, then newest first."""
    best: VariantView | None
    """The fastest variant inside the limit, FP32 included; None before the baseline."""
    active_run: RunView | None
    runs: int
    sentence: str
    detail: str
    trials: tuple[TrialView, ...]
    """Of the newest AccuracyAware run."""

    @property
    def original(self) -> VariantView:
        return self.variants[0]


@dataclass(frozen=True)
class ComparisonRow:
    """One line of the verdict table: measure, then per variant a tone, a word and a value against the reference."""

    measure: str
    sub: str
    cells: tuple[ComparisonCell, ...]


@dataclass(frozen=True)
class ComparisonCell:
    tone: Literal["good", "bad", "none", "warn"]
    word: str
    value: str


@dataclass(frozen=True)
class ComparisonView:
    project_id: str
    reference: VariantView
    variants: tuple[VariantView, ...]
    """The reference first."""
    rows: tuple[ComparisonRow, ...]
    sentence: str
    detail: str
    measured_together: bool
    """All in one paired comparison; else speed is quoted from separate ones, each against FP32."""
    measured_at: datetime | None


@dataclass(frozen=True)
class WorkerView:
    id: str
    name: str
    state: WorkerState
    device: Capabilities
    silent_seconds: float
    run: RunView | None


@dataclass(frozen=True)
class QueueView:
    running: int
    waiting: int
    runs: tuple[RunView, ...]
    """Running, then waiting in order."""


@dataclass(frozen=True)
class PreflightView:
    run: RunView
    result: PreflightResult | None
    """None until the run has succeeded."""
    previews: tuple[str, ...] = ()
    """Names of the preview pictures, to be fetched with `preflights.preview`."""
    model_id: str = ""
    dataset_id: str = ""


@dataclass(frozen=True)
class PlanStep:
    label: str
    seconds: tuple[float, float]
    """Lower and upper estimate."""


@dataclass(frozen=True)
class PlanView:
    """What will happen when these settings are started, and how long it will take."""

    settings: QuantizationSettings
    """As they will be used: the subset clamped to the dataset."""
    steps: tuple[PlanStep, ...]
    seconds: tuple[float, float]
    """Of all steps together."""
    size_bytes: tuple[int, int]
    """Of the INT8 file, lower and upper estimate."""
    original_bytes: int
    notices: tuple[Notice, ...]
    """What does not stop the start but should be known: a clamped subset, a limit this n cannot certify."""


@dataclass(frozen=True)
class EventView:
    """One line of a run's progress; the id is the SSE event id."""

    event_id: int
    kind: Literal["planned", "started", "progress", "log", "finished", "failed"]
    stage: str
    done: int
    total: int
    message: str
    at: datetime


@dataclass(frozen=True)
class Download:
    path: Path
    filename: str
    media_type: str = "application/octet-stream"
    temporary: bool = False
    """Made for this request: whoever sends it deletes it afterwards."""
