"""The networks of the benchmark: how their images become inputs, what calibrates them, what judges them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.preprocessing.presets import get_preset

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
"""Real networks, data, judges and peers, beside the checkout."""
DATA, TOOLS = SHARED / "data", SHARED / "bench"

JudgeTask = Literal["classification", "detection", "raw"]


@dataclass(frozen=True)
class Case:
    name: str
    preprocessing: Preprocessing
    judged_with: str
    """What the judge and the peers call this preprocessing."""
    calibration: str
    """Folder below the data; also what the peers calibrate on."""
    judged_on: str
    """Folder below the data; never seen by any quantizer where there are two."""
    task: JudgeTask = "classification"
    score: str = ""
    """What `judge_tasks.py` calls the network; "" where top-1 is the score."""

    @property
    def model(self) -> Path:
        return DATA / "models" / f"{self.name}.onnx"

    @property
    def images(self) -> Path:
        """The calibration images without masks or annotations beside them."""
        folder = DATA / self.calibration
        return folder / "images" if (folder / "images").is_dir() else folder


MINI, SAMPLE, SCENES, COCO = (
    "MiniImageNet",
    "datasets/imagenet-sample-500",
    "datasets/fashion-scenes-test",
    "datasets/coco-mini-40",
)
CASES = (
    Case("mobilenet-v2", Preprocessing(224, 224, colour="BGR"), "mobilenet-v2-builtin", MINI, SAMPLE),
    Case("squeezenet1.1", get_preset("caffe", 227, 227, 3, "NCHW"), "caffe-bgr", MINI, SAMPLE),
    Case("efficientnet-lite0", get_preset("efficientnet-lite", 224, 224, 3, "NCHW"), "efficientnet-lite", MINI, SAMPLE),
    Case("fashion_yolo", get_preset("unit", 160, 160, 3, "NCHW"), "unit", SCENES, SCENES, "raw", "yolo"),
    Case("fashion_unet", get_preset("unit", 160, 160, 3, "NCHW"), "unit", SCENES, SCENES, "raw", "unet"),
    Case("centernet_mobilenetv3_coco", get_preset("raw", 512, 512, 3, "NCHW"), "raw", COCO, COCO, "detection", "centernet"),
)
