"""A new project: model, dataset and device; how images become inputs; create."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlencode

from app.engine.preprocessing.export import as_python
from app.engine.preprocessing.presets import GRAY_VALUE_RANGES, VALUE_RANGES, get_preset
from app.errors import WorkbenchError
from app.services.views import DatasetView, ErrorView, ModelView, PreflightView, RunView, WorkerView
from app.web.filters import count, duration, plural, size
from app.web.forms.fields import Mistake
from app.web.forms.preprocessing import LABELS, PreprocessingForm
from app.web.pages.preflight import Prediction, Tried, answer, answer_detail, predictions_of, received_facts, ways_tried
from app.web.pages.words import RUNTIMES, device_words, kernel_words

if TYPE_CHECKING:  # the stage brings the runtime, which the web process has no use for
    from app.engine.stages.preflight import Result

Asset = TypeVar("Asset", ModelView, DatasetView)
State = Literal["empty", "choose", "ready", "checking", "refused", "checked"]
FIRST_SHOWN = 8
"""Pictures shown at once; the rest opens below."""
COLOURS = (("RGB", "RGB"), ("BGR", "BGR"), ("GRAY", "Grey"))
RESIZES = (("shorter-side", "Shorter side"), ("stretch", "Stretch"), ("none", "As it is"))
INTERPOLATIONS = (("bilinear", "Bilinear"), ("bicubic", "Bicubic"), ("nearest", "Nearest"), ("lanczos", "Lanczos"))
LAYOUTS = (("NCHW", "NCHW"), ("NHWC", "NHWC"))


@dataclass(frozen=True)
class Choice:
    id: str
    name: str


@dataclass(frozen=True)
class Asked:
    """What the URL or the form says."""

    model_id: str = ""
    dataset_id: str = ""
    found: str = ""
    """The preflight that searched, to go back to after checks by hand."""
    misses_only: bool = False
    name: str | None = None
    form: PreprocessingForm | None = None
    """As it was typed, when it came back with mistakes."""


@dataclass(frozen=True)
class NewProjectPage:
    state: State
    models: tuple[Choice, ...]
    datasets: tuple[Choice, ...]
    devices: tuple[Choice, ...]
    model_id: str
    dataset_id: str
    model_hint: str
    dataset_hint: str
    device_hint: str
    no_worker: bool
    asks_size: bool
    """The model takes images of any size: height and width are asked first."""
    auto_start: bool
    run: RunView | None
    found: str
    back_to_found: str
    answer: str
    answer_detail: str
    checked_on: str
    form: PreprocessingForm
    sources: dict[str, str]
    errors: dict[str, str]
    error_links: tuple[tuple[str, str], ...]
    not_done: str
    problem: ErrorView | None
    ranges: dict[str, list[list[str]]]
    """Colour -> [name, mean, divide by], for static/js/preflight.js."""
    fields: dict[str, tuple[tuple[str, str], ...]]
    """Choices of the selects."""
    shown: tuple[Prediction, ...]
    more: tuple[Prediction, ...]
    all_count: int
    miss_count: int
    misses_only: bool
    switch_url: str
    tried: tuple[Tried, ...]
    tried_of: str
    received: tuple[tuple[str, str], ...]
    python: str
    name: str
    create_hint: str
    labelled: bool


def new_project_page(
    models: Sequence[ModelView],
    datasets: Sequence[DatasetView],
    workers: Sequence[WorkerView],
    preflight: PreflightView | None,
    asked: Asked,
    *,
    mistakes: Sequence[Mistake] = (),
    not_done: str = "",
    problem: ErrorView | None = None,
) -> NewProjectPage:
    model = _chosen([m for m in models if m.state == "ready"], asked.model_id)
    dataset = _chosen([d for d in datasets if d.state == "ready"], asked.dataset_id)
    result = None if preflight is None else preflight.result
    state = _state(models, datasets, model, dataset, preflight)
    up = [worker for worker in workers if worker.state == "up"]
    predictions = () if result is None or preflight is None else predictions_of(result, preflight.run.id)
    misses = tuple(p for p in predictions if not p.ok)
    chosen = misses if asked.misses_only else predictions
    asks_size = (
        model is not None and model.description is not None and None in (model.description.height, model.description.width)
    )
    return NewProjectPage(
        state=state,
        models=tuple(Choice(m.id, m.name) for m in models if m.state == "ready"),
        datasets=tuple(Choice(d.id, d.name) for d in datasets if d.state == "ready"),
        devices=_devices(up),
        model_id="" if model is None else model.id,
        dataset_id="" if dataset is None else dataset.id,
        model_hint=_model_hint(model),
        dataset_hint=_dataset_hint(dataset),
        device_hint=_device_hint(up),
        no_worker=not up,
        asks_size=asks_size,
        auto_start=state == "ready"
        and bool(asked.model_id and asked.dataset_id)
        and not asks_size
        and not problem
        and not mistakes,
        run=None if preflight is None else preflight.run,
        found=asked.found or ("" if preflight is None else preflight.run.id),
        back_to_found=_back(preflight, asked),
        answer="" if result is None else answer(result),
        answer_detail="" if result is None else answer_detail(result),
        checked_on="" if result is None else f"Checked on {plural(result.samples, 'image')} in {duration(result.seconds)}",
        form=asked.form or _form(model, result),
        sources=_sources(model, result),
        errors={mistake.field: mistake.message for mistake in mistakes},
        error_links=tuple((mistake.field, mistake.label) for mistake in mistakes),
        not_done=not_done,
        problem=problem or (preflight.run.error if preflight is not None else None),
        ranges=_ranges(),
        fields={"colour": COLOURS, "resize": RESIZES, "interpolation": INTERPOLATIONS, "layout": LAYOUTS},
        shown=chosen[:FIRST_SHOWN],
        more=chosen[FIRST_SHOWN:],
        all_count=len(predictions),
        miss_count=len(misses),
        misses_only=asked.misses_only,
        switch_url="" if preflight is None else address(preflight.run.id, asked),
        tried=() if result is None else ways_tried(result),
        tried_of="" if result is None else plural(len(result.candidates), "way"),
        received=() if result is None else received_facts(result.received),
        python="" if result is None else as_python(result.candidates[result.chosen].preprocessing, result.received.dtype),
        name=_name(model, dataset) if asked.name is None else asked.name,
        create_hint=_create_hint(dataset),
        labelled=result is not None and result.labelled,
    )


def _state(
    models: Sequence[ModelView],
    datasets: Sequence[DatasetView],
    model: ModelView | None,
    dataset: DatasetView | None,
    preflight: PreflightView | None,
) -> State:
    if not any(m.state == "ready" for m in models) or not any(d.state == "ready" for d in datasets):
        return "empty"
    if model is None or dataset is None:
        return "choose"
    if preflight is None:
        return "ready"
    if preflight.run.is_open:
        return "checking"
    return "checked" if preflight.result is not None else "refused"


def _chosen(ready: Sequence[Asset], asked_id: str) -> Asset | None:
    """The one asked for; without asking the only one there is."""
    if not asked_id:
        return ready[0] if len(ready) == 1 else None
    return next((asset for asset in ready if asset.id == asked_id), None)


def _form(model: ModelView | None, result: Result | None) -> PreprocessingForm:
    if result is not None:
        return PreprocessingForm.show(result.candidates[result.chosen].preprocessing, result.task.label_offset)
    description = None if model is None else model.description
    if description is None:
        return PreprocessingForm()
    height, width = description.height or 224, description.width or 224
    try:
        usual = get_preset("torchvision", height, width, description.channels or 3, description.layout or "NCHW")
    except WorkbenchError:  # a model of something else than images; the preflight says so
        return PreprocessingForm()
    return PreprocessingForm.show(usual, 0)


def _sources(model: ModelView | None, result: Result | None) -> dict[str, str]:
    """Where each value comes from."""
    tried = "usual" if result is None else "by hand" if result.decided == "by-hand" else "found"
    sources = dict.fromkeys(LABELS, tried)
    description = None if model is None else model.description
    if description is not None:
        in_file = {"height": description.height, "width": description.width, "layout": description.layout}
        sources.update({name: "from file" for name, value in in_file.items() if value is not None})
    return sources


def _ranges() -> dict[str, list[list[str]]]:
    def texts(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:g}" for value in values)

    return {
        colour: [[r.name, *map(texts, r.of(colour))] for r in (GRAY_VALUE_RANGES if colour == "GRAY" else VALUE_RANGES)]
        for colour in ("RGB", "BGR", "GRAY")
    }


def address(preflight_id: str, asked: Asked) -> str:
    """The URL at which this state of the page is found again."""
    kept = {"preflight": preflight_id, "found": asked.found, "name": asked.name or ""}
    return f"/projects/new?{urlencode({name: value for name, value in kept.items() if value})}"


def _back(preflight: PreflightView | None, asked: Asked) -> str:
    if preflight is None or not asked.found or asked.found == preflight.run.id:
        return ""
    return address(asked.found, Asked(name=asked.name))


def _model_hint(model: ModelView | None) -> str:
    if model is None or model.description is None:
        return ""
    classes = f"{count(model.description.classes)} classes, " if model.description.classes else ""
    return f"{classes}{size(model.size_bytes)}."


def _dataset_hint(dataset: DatasetView | None) -> str:
    if dataset is None or dataset.description is None:
        return ""
    d = dataset.description
    if not d.labelled:
        return f"{plural(d.images, 'image')} without labels: agreement with FP32 stands in for accuracy."
    certifies = (
        "" if dataset.certifiable_points is None else f" Certifies drops from about {dataset.certifiable_points:.1f} points."
    )
    return f"{plural(d.labelled, 'labelled image')}.{certifies}"


def _devices(up: Sequence[WorkerView]) -> tuple[Choice, ...]:
    """One entry per runtime, with the workers that have it."""
    names: dict[str, list[str]] = {}
    for worker in up:
        names.setdefault(worker.device.runtime, []).append(worker.name)
    if not names:
        return (Choice("onnxruntime", "ONNX Runtime"),)
    return tuple(Choice(runtime, f"{RUNTIMES.get(runtime, runtime)} on {', '.join(on)}") for runtime, on in names.items())


def _device_hint(up: Sequence[WorkerView]) -> str:
    return f"{device_words(up[0].device)}. {kernel_words(up[0].device)}" if up else ""


def _name(model: ModelView | None, dataset: DatasetView | None) -> str:
    return f"{PurePath(model.name).stem} on {dataset.name}" if model is not None and dataset is not None else ""


def _create_hint(dataset: DatasetView | None) -> str:
    d = None if dataset is None else dataset.description
    accuracy = "top-1" if d is not None and d.labelled else "predictions"
    images = "" if d is None else f" on {plural(d.labelled or d.images, 'image')}"
    return f"Measures the baseline at once, in the background: throughput, latency and {accuracy} of FP32{images}."
