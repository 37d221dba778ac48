"""Bodies of requests, and the answers that are not views. Unknown fields are refused: a typing error must not be ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.stages.preflight import Result
from app.engine.tasks.classification import ClassificationTask
from app.services.views import RunView


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=True)


PREPROCESSING_EXAMPLE: dict[str, Any] = {
    "height": 224,
    "width": 224,
    "resize": "shorter-side",
    "shorter_side": 256,
    "interpolation": "bilinear",
    "colour": "RGB",
    "mean": [123.675, 116.28, 103.53],
    "divide_by": [58.395, 57.12, 57.375],
    "layout": "NCHW",
}


class Rename(Body):
    name: str = Field(examples=["MobileNet-v2"])


class NewPreflight(Body):
    model_id: str
    dataset_id: str
    fixed: Preprocessing | None = Field(default=None, description="Only check this one instead of searching.")
    label_offset: int | None = Field(default=None, description="Position of a label in the scores; null: find out.")
    height: int | None = Field(default=None, description="Needed when the model leaves it open.", examples=[224])
    width: int | None = Field(default=None, description="Needed when the model leaves it open.", examples=[224])


class NewProject(Body):
    name: str = Field(examples=["MobileNet-v2 on ImageNet-500"])
    model_id: str
    dataset_id: str
    preprocessing: Preprocessing = Field(examples=[PREPROCESSING_EXAMPLE])
    task: ClassificationTask = Field(examples=[{"output": "scores", "classes": 1000, "label_offset": 0}])
    runtime: str = "onnxruntime"


class ChangeProject(Body):
    name: str | None = None
    max_drop: float | None = Field(default=None, description="The limit in points that verdicts are given against.")


class NewOptimization(Body):
    settings: QuantizationSettings = Field(
        examples=[{"method": "accuracy-aware", "max_drop": 1.0, "drop_type": "absolute", "subset_size": 300, "seed": 0}]
    )


class PotFile(Body):
    text: str = Field(
        description="The content of a POT configuration file: JSON, also with comments and trailing commas.",
        examples=['{"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"stat_subset_size": 300}}]}}'],
    )


class NewComparison(Body):
    variant_ids: list[str] = Field(description="Measured in turns with the original, which is always the reference.")


@dataclass(frozen=True)
class PreflightAnswer:
    run: RunView
    result: Result | None
    """Null until the run has succeeded."""
    previews: tuple[str, ...]
    """Names of pictures, each at /preflights/{id}/previews/{name}."""


@dataclass(frozen=True)
class Health:
    status: str
    version: str
    workers_up: int
    running: int
    waiting: int
