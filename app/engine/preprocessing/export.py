"""A preprocessing as a small Python function: numpy and Pillow only, the same bytes as the workbench fed to the model."""

from __future__ import annotations

from app.engine.preprocessing.pipeline import MAX_ASPECT_RATIO, Preprocessing

_RESIZE = {
    "none": """\
    if image.size != ({width}, {height}):
        raise ValueError(f"the image must have {width} x {height} pixels, but has {{image.size[0]}} x {{image.size[1]}}")
""",
    "stretch": """\
    image = image.resize(({width}, {height}), Image.Resampling.{interpolation})
""",
    "shorter-side": """\
    width, height = image.size
    if max(image.size) > {max_aspect_ratio} * min(image.size):
        raise ValueError(f"the image is a strip of {{width}} x {{height}} pixels")
    scale = {short} / min(image.size)  # shorter side to {short} pixels, then the centre
    width, height = max({short}, round(width * scale)), max({short}, round(height * scale))
    left, top = (width - {width}) // 2, (height - {height}) // 2
    image = image.resize((width, height), Image.Resampling.{interpolation})
    image = image.crop((left, top, left + {width}, top + {height}))
""",
}
_FUNCTION = '''\
import numpy as np
from PIL import Image


def preprocess(path):
    """One image file as the model's input: {shape}, {dtype}."""
    with Image.open(path) as file:
        image = file.convert("{mode}")
{resize}    pixels = np.asarray(image, np.float64).reshape({height}, {width}, {channels}){flip}
    x = (pixels - {mean}) / {divide_by}
{finish}'''


def as_python(p: Preprocessing, dtype: str = "float32") -> str:
    """Source of a module with one function `preprocess(path)`, for a model whose input has this numpy `dtype`."""
    resize = _RESIZE[p.resize].format(
        width=p.width,
        height=p.height,
        short=max(p.shorter_side, p.height, p.width),
        interpolation=p.interpolation.upper(),
        max_aspect_ratio=MAX_ASPECT_RATIO,
    )
    shape = (1, p.channels, p.height, p.width) if p.layout == "NCHW" else (1, p.height, p.width, p.channels)
    return _FUNCTION.format(
        shape=shape,
        dtype=dtype,
        mode="L" if p.colour == "GRAY" else "RGB",
        resize=resize,
        height=p.height,
        width=p.width,
        channels=p.channels,
        flip="[:, :, ::-1]  # BGR" if p.colour == "BGR" else "",
        mean=_array(p.mean),
        divide_by=_array(p.divide_by),
        finish=_finish(p, dtype),
    )


def _array(values: tuple[float, ...]) -> str:
    return f"np.array([{', '.join(repr(float(value)) for value in values)}])"


def _finish(p: Preprocessing, dtype: str) -> str:
    rounded = f"np.clip(np.rint(x), np.iinfo(np.{dtype}).min, np.iinfo(np.{dtype}).max)" if "int" in dtype else "x"
    turned = "x.transpose(2, 0, 1)" if p.layout == "NCHW" else "x"
    lines = [] if rounded == "x" else [f"    x = {rounded}"]
    lines.append(f"    return np.ascontiguousarray({turned}[None], dtype=np.{dtype})")
    return "\n".join(lines) + "\n"
