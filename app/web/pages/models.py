"""Models: what was uploaded, what was understood of it."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.graph.description import ModelDescription, TensorInfo
from app.services.views import ModelView, UploadView
from app.web.filters import count, large, plural, shape
from app.web.pages.parts import Part
from app.web.pages.words import Chip

INT8_WEIGHT_SHARE = (0.25, 0.30)
"""Weights take a quarter in INT8; scales, float biases and what stays in float add some."""
SHOWN_OPERATORS = 8

PRECISIONS = {
    "float32": "32-bit float",
    "float16": "16-bit float",
    "int8": "already INT8",
    "mixed": "float and integer weights",
}


@dataclass(frozen=True)
class Fact:
    term: str
    text: str
    code: str = ""
    """A name of the file's, shown behind the term."""


@dataclass(frozen=True)
class OperatorBar:
    name: str
    count: str
    share: float
    """Of the most frequent, 0 to 1."""


@dataclass(frozen=True)
class ModelCard:
    model: ModelView
    chip: Chip
    facts: tuple[Fact, ...]
    operators: tuple[OperatorBar, ...]
    other_operators: str
    """How many further kinds there are, in words; empty when all are shown."""
    estimate: tuple[float, float] | None
    """Bytes of an INT8 file, from and to; None for what cannot become INT8."""
    estimate_share: float


@dataclass(frozen=True)
class ModelsPage:
    cards: tuple[ModelCard, ...]
    part: Part
    unfinished: tuple[UploadView, ...]
    busy: bool
    """Whether one is being looked into, so that the list follows it."""
    max_bytes: int


@dataclass(frozen=True)
class ModelPage:
    card: ModelCard
    busy: bool
    name: str
    """As typed, when renaming was refused."""
    name_error: str


def models_page(models: tuple[ModelView, ...], part: Part, unfinished: tuple[UploadView, ...], max_bytes: int) -> ModelsPage:
    return ModelsPage(
        cards=tuple(model_card(model) for model in models),
        part=part,
        unfinished=unfinished,
        busy=any(model.state == "inspecting" for model in models),
        max_bytes=max_bytes,
    )


def model_page(model: ModelView, *, name: str | None = None, name_error: str = "") -> ModelPage:
    shown = model.name if name is None else name
    return ModelPage(model_card(model), model.state == "inspecting", shown, name_error)


def model_card(model: ModelView) -> ModelCard:
    description = model.description
    estimate = None if description is None else int8_estimate(description)
    return ModelCard(
        model=model,
        chip=asset_chip(model.state, 0 if description is None else len(description.notices)),
        facts=() if description is None else facts(description),
        operators=() if description is None else operator_bars(description.operators),
        other_operators="" if description is None else other_operators(description.operators),
        estimate=estimate,
        estimate_share=0.0 if estimate is None or description is None else estimate[1] / description.size_bytes,
    )


def asset_chip(state: str, notices: int) -> Chip:
    """Of a model or a dataset."""
    if state == "inspecting":
        return Chip("none", "Looking into it", "run")
    if state == "refused":
        return Chip("bad", "Cannot be used")
    if notices:
        return Chip("warn", f"Ready, {plural(notices, 'thing')} to know", "alert")
    return Chip("good", "Ready")


def facts(description: ModelDescription) -> tuple[Fact, ...]:
    inputs = tuple(Fact("Input", tensor_words(tensor), tensor.name) for tensor in description.inputs)
    outputs = tuple(Fact("Output", tensor_words(tensor), tensor.name) for tensor in description.outputs)
    task = () if description.classes is None else (Fact("Task", f"Image classification, {count(description.classes)} classes"),)
    arithmetic = "unknown: shapes are missing"
    if description.multiply_adds is not None:
        arithmetic = f"{large(description.multiply_adds)} multiply-adds per image"
    producer = f", {description.producer}" if description.producer else ""
    batch = "any" if description.batch is None else f"fixed at {description.batch}"
    return (
        *task,
        *inputs,
        *outputs,
        Fact("Batch", batch),
        Fact("Parameters", f"{large(description.parameters)}, {PRECISIONS[description.precision]}"),
        Fact("Arithmetic", arithmetic),
        Fact("Opset, producer", f"{description.opset}{producer}"),
    )


def tensor_words(tensor: TensorInfo) -> str:
    return f"{tensor.dtype}, {shape(tensor.shape)}"


def operator_bars(operators: dict[str, int]) -> tuple[OperatorBar, ...]:
    most = max(operators.values(), default=1)
    shown = list(operators.items())[:SHOWN_OPERATORS]
    return tuple(OperatorBar(name, count(number), number / most) for name, number in shown)


def other_operators(operators: dict[str, int]) -> str:
    rest = list(operators.values())[SHOWN_OPERATORS:]
    return f"{plural(len(rest), 'further kind')}, {plural(sum(rest), 'node')}" if rest else ""


def int8_estimate(description: ModelDescription) -> tuple[float, float] | None:
    if description.precision != "float32":
        return None
    graph = description.size_bytes - description.weight_bytes
    low, high = INT8_WEIGHT_SHARE
    return graph + low * description.weight_bytes, 1.5 * graph + high * description.weight_bytes
