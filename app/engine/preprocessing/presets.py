"""Named preprocessings, and the value ranges networks are usually trained with. Means and divisors in units of 0..255."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.engine.preprocessing.pipeline import Colour, Interpolation, Layout, Preprocessing, Resize
from app.errors import WorkbenchError

RGB_TO_GRAY = (0.299, 0.587, 0.114)
"""ITU-R 601-2 luma, what Pillow's mode L uses: a range for colour becomes one for grey by it."""


@dataclass(frozen=True)
class ValueRange:
    """How 8-bit values become the model's numbers; `mean` and `divide_by` in the order R, G, B."""

    name: str
    """What people read: "0 to 1"."""
    mean: tuple[float, float, float]
    divide_by: tuple[float, float, float]

    def of(self, colour: Colour) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, divide_by) in the order of `colour`."""
        if colour == "GRAY":
            return (_gray(self.mean),), (_gray(self.divide_by),)
        if colour == "BGR":
            return self.mean[::-1], self.divide_by[::-1]
        return self.mean, self.divide_by


def _gray(values: tuple[float, float, float]) -> float:
    """Equal values stay exactly what they are."""
    return values[0] if len(set(values)) == 1 else round(sum(w * v for w, v in zip(RGB_TO_GRAY, values, strict=True)), 4)


IMAGENET = ValueRange("ImageNet mean and deviation", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""torchvision: 255 x (0.485, 0.456, 0.406) and 255 x (0.229, 0.224, 0.225)."""
UNIT = ValueRange("0 to 1", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
SIGNED_UNIT = ValueRange("−1 to 1", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
BYTES = ValueRange("0 to 255", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CAFFE = ValueRange("0 to 255 minus mean", (123.0, 117.0, 104.0), (1.0, 1.0, 1.0))
"""Caffe's ImageNet mean, there given as B, G, R = 104, 117, 123."""
EFFICIENTNET_LITE = ValueRange("(x − 127) / 128", (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
MNIST = ValueRange("MNIST mean and deviation", (33.3184, 33.3184, 33.3184), (78.5675, 78.5675, 78.5675))
"""255 x 0.13066 and 255 x 0.30811."""

VALUE_RANGES = (IMAGENET, UNIT, SIGNED_UNIT, BYTES, CAFFE, EFFICIENTNET_LITE)
"""The most usual first: between equals the earlier one is proposed."""
GRAY_VALUE_RANGES = (UNIT, SIGNED_UNIT, MNIST, BYTES, IMAGENET)

SMALL_INPUT = 128
"""Pixels. Below, a preset's shorter side follows the input size instead of being 256."""

Preset = Callable[[int, int, int, Layout], Preprocessing]
"""(height, width, channels, layout) of the model's input -> preprocessing."""


def build(
    size: tuple[int, int],
    colour: Colour,
    values: ValueRange,
    layout: Layout,
    *,
    resize: Resize = "shorter-side",
    shorter_side: int = 256,
    interpolation: Interpolation = "bilinear",
) -> Preprocessing:
    """A preprocessing for an input of `size` (height, width)."""
    mean, divide_by = values.of(colour)
    return Preprocessing(size[0], size[1], resize, shorter_side, interpolation, colour, mean, divide_by, layout)


def _preset(
    colour: Colour, values: ValueRange, *, resize: Resize = "shorter-side", interpolation: Interpolation = "bilinear"
) -> Preset:
    def make(height: int, width: int, channels: int, layout: Layout) -> Preprocessing:
        wanted: Colour = "GRAY" if _require_image_channels(channels) == 1 else colour
        # 32 of 256 pixels would be a keyhole: small inputs take as much of the image as usual ones do.
        short = 256 if max(height, width) >= SMALL_INPUT else usual_shorter_side(height, width)
        return build((height, width), wanted, values, layout, resize=resize, shorter_side=short, interpolation=interpolation)

    return make


def _require_image_channels(channels: int) -> int:
    if channels not in (1, 3):
        raise WorkbenchError(
            "preprocessing.channels",
            f"Images have 1 (grey) or 3 (colour) channels, but the model takes {channels}.",
            where="channels",
            hint="Models of other data are not supported yet.",
        )
    return channels


PRESETS: dict[str, Preset] = {
    "torchvision": _preset("RGB", IMAGENET),
    "efficientnet-lite": _preset("RGB", EFFICIENTNET_LITE, interpolation="bicubic"),
    "caffe": _preset("BGR", CAFFE),
    "unit": _preset("RGB", UNIT, resize="stretch"),
    "raw": _preset("RGB", BYTES, resize="stretch"),
}


def get_preset(name: str, height: int, width: int, channels: int, layout: Layout) -> Preprocessing:
    """The preset `name` for this input.

    Raises:
        WorkbenchError: `preprocessing.unknown_preset`, `preprocessing.channels`.
    """
    if name not in PRESETS:
        message = f"There is no preset “{name}”; there are: {', '.join(PRESETS)}."
        raise WorkbenchError("preprocessing.unknown_preset", message, where="preprocessing")
    return PRESETS[name](height, width, channels, layout)


def describe(p: Preprocessing) -> str:
    """What people read: "BGR, 0 to 255, centre 224"; unusual interpolation is said, bilinear is not."""
    parts = [{"GRAY": "Grey"}.get(p.colour, p.colour), describe_range(p), _describe_geometry(p)]
    if p.interpolation != "bilinear" and p.resize != "none":
        parts.append(p.interpolation)
    return ", ".join(parts)


def describe_range(p: Preprocessing) -> str:
    """The range's usual name, or its numbers."""
    for values in (*VALUE_RANGES, MNIST):
        if values.of(p.colour) == (p.mean, p.divide_by) and values is not CAFFE:
            return values.name
    minus = "" if not any(p.mean) else f" minus {_numbers(p.mean)}"
    return f"0 to 255{minus}" if set(p.divide_by) == {1.0} else f"0 to 255{minus}, divided by {_numbers(p.divide_by)}"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def _describe_geometry(p: Preprocessing) -> str:
    size = f"{p.width}" if p.width == p.height else f"{p.width} × {p.height}"
    if p.resize == "none":
        return f"{size} as it is"
    if p.resize == "stretch":
        return f"stretched to {size}"
    short = max(p.shorter_side, p.height, p.width)
    return f"centre {size}" if short == usual_shorter_side(p.height, p.width) else f"centre {size} of {short}"


def usual_shorter_side(height: int, width: int) -> int:
    """256 for the usual inputs of 192 to 255 pixels; else the input takes the middle 7/8, as 224 of 256."""
    side = max(height, width)
    return 256 if 192 <= side < 256 else round(side * 8 / 7)
