from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.engine.preprocessing.export import as_python
from app.engine.preprocessing.pipeline import Preprocessing, geometry, normalize
from app.engine.preprocessing.presets import PRESETS, describe, get_preset
from app.engine.preprocessing.validation import validate
from app.engine.records import from_json, to_json
from app.errors import WorkbenchError


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_preset_is_valid_and_survives_json(name: str, channels: int, layout: Any) -> None:
    p = get_preset(name, 224, 192, channels, layout)
    validate(p, channels=channels, height=224, width=192, layout=layout)
    assert from_json(Preprocessing, to_json(p)) == p


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (Preprocessing(224, 224, colour="BGR"), "BGR, 0 to 255, centre 224"),
        (PRESETS["torchvision"](224, 224, 3, "NCHW"), "RGB, ImageNet mean and deviation, centre 224"),
        (PRESETS["efficientnet-lite"](224, 224, 3, "NCHW"), "RGB, (x − 127) / 128, centre 224, bicubic"),
        (PRESETS["caffe"](227, 227, 3, "NCHW"), "BGR, 0 to 255 minus 104 117 123, centre 227"),
        (PRESETS["unit"](160, 320, 3, "NHWC"), "RGB, 0 to 1, stretched to 320 × 160"),
        (PRESETS["raw"](28, 28, 1, "NCHW"), "Grey, 0 to 255, stretched to 28"),
        (Preprocessing(224, 224, shorter_side=232), "RGB, 0 to 255, centre 224 of 232"),
        (
            Preprocessing(64, 64, resize="none", mean=(3.0,) * 3, divide_by=(2.0,) * 3),
            "RGB, 0 to 255 minus 3, divided by 2, 64 as it is",
        ),
    ],
)
def test_description_says_what_is_done(p: Preprocessing, expected: str) -> None:
    assert describe(p) == expected


def test_different_proposals_never_read_the_same() -> None:
    proposals = {
        replace(PRESETS[name](224, 224, 3, "NCHW"), resize=resize, interpolation=interpolation, colour=colour)
        for name in PRESETS
        for resize in ("shorter-side", "stretch")
        for interpolation in ("bilinear", "bicubic")
        for colour in ("RGB", "BGR")
    }
    assert len({describe(p) for p in proposals}) == len(proposals)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(WorkbenchError, match="torchvision") as refused:
        get_preset("tochvision", 224, 224, 3, "NCHW")
    assert refused.value.code == "preprocessing.unknown_preset"


def test_models_of_other_data_are_refused() -> None:
    with pytest.raises(WorkbenchError) as refused:
        get_preset("unit", 224, 224, 4, "NCHW")
    assert refused.value.code == "preprocessing.channels"


USUAL = PRESETS["torchvision"](224, 224, 3, "NCHW")


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"height": 0}, "preprocessing.size", "height"),
        ({"width": 100_000}, "preprocessing.size", "width"),
        ({"shorter_side": -1}, "preprocessing.shorter_side", "shorter_side"),
        ({"mean": (1.0,)}, "preprocessing.channels", "mean"),
        ({"colour": "GRAY"}, "preprocessing.channels", "mean"),
        ({"mean": (math.nan, 0.0, 0.0)}, "preprocessing.not_finite", "mean"),
        ({"divide_by": (1.0, math.inf, 1.0)}, "preprocessing.not_finite", "divide_by"),
        ({"divide_by": (1.0, 0.0, 1.0)}, "preprocessing.divide_by_zero", "divide_by"),
    ],
)
def test_impossible_values_are_refused_by_name(changes: dict[str, Any], code: str, where: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        validate(replace(USUAL, **changes))
    assert (refused.value.code, refused.value.where) == (code, where)


@pytest.mark.parametrize(
    ("model", "where"), [({"channels": 1}, "colour"), ({"height": 227}, "height"), ({"layout": "NHWC"}, "layout")]
)
def test_a_preprocessing_for_another_model_is_refused(model: dict[str, Any], where: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        validate(USUAL, **model)
    assert (refused.value.code, refused.value.where) == ("preprocessing.does_not_fit", where)


EXPORTED = [
    *[PRESETS[name](48, 32, channels, layout) for name in PRESETS for channels in (1, 3) for layout in ("NCHW", "NHWC")],  # type: ignore[arg-type]
    Preprocessing(224, 224, interpolation="lanczos", shorter_side=232),
    Preprocessing(90, 120, resize="none", colour="BGR"),
    Preprocessing(50, 20, interpolation="nearest", shorter_side=10),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("p", EXPORTED, ids=str)
def test_exported_function_gives_the_same_bytes(p: Preprocessing, dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(path)
    exported: dict[str, Any] = {}
    exec(as_python(p, dtype), exported)
    with Image.open(path) as image:
        expected = normalize(geometry(image, p)[None], p, dtype)
    given = exported["preprocess"](path)
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    assert given.tobytes() == expected.tobytes()


def test_exported_function_refuses_what_the_workbench_refuses(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    Image.new("RGB", (1, 500)).save(path)
    for p in (Preprocessing(224, 224), Preprocessing(224, 224, resize="none")):
        exported: dict[str, Any] = {}
        exec(as_python(p), exported)
        with pytest.raises(ValueError, match="image"):
            exported["preprocess"](path)
