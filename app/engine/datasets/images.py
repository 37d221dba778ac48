"""Open images from untrusted bytes: a list of formats, a limit before decoding, and a reason in words when it fails.

Pillow, asked to guess, would start Ghostscript for PostScript named .jpg, and warns only from 89 megapixels on; its limit
counts pixels of headers, so ours is set low enough to bound the memory (at most 4 bytes per pixel once decoded).
EXIF orientation is not applied, as Pillow's default and the usual evaluation scripts do not.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")
MAX_PIXELS = 50_000_000
MAX_ENCODED_BYTES = 64 * 2**20
THUMBNAIL_SIDE = 192
TIFF_MAGICS = (b"II*\0", b"MM\0*")
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes Pillow gives to 16-bit grey; 16-bit colour it reduces to 8 bits by itself."""
DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, OverflowError)
"""What Pillow's decoders raise for a damaged file."""
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class UnreadableImageError(Exception):
    """The message is a reason in words: "cut off"."""


@dataclass(frozen=True)
class ImageFacts:
    width: int
    height: int
    sixteen_bit: bool
    transparent: bool
    animated: bool
    rotated: bool
    """By its EXIF orientation, which is not applied."""


def decode_image(data: bytes) -> Image.Image:
    """The first frame, fully loaded, 8 bits per channel, in the mode of the file otherwise.

    Raises:
        UnreadableImageError: always with a reason.
    """
    return _decode(data)[0]


def examine_image(data: bytes) -> ImageFacts:
    """Decodes all of it: a file that is cut off shows only then. Raises UnreadableImageError."""
    return _decode(data)[1]


def encode_thumbnail(image: Image.Image) -> bytes:
    """As JPEG, longer side at most 192: what is shown in pages is never the original bytes."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def _decode(data: bytes) -> tuple[Image.Image, ImageFacts]:
    if not data:
        raise UnreadableImageError("0 bytes")
    if data.startswith(TIFF_MAGICS):
        raise UnreadableImageError("TIFF is not accepted: save it as PNG")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image)
            facts = _facts(image)
            image.load()
            return _to_8_bit(image), facts
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not a JPEG, PNG, BMP, WebP or GIF image, or its beginning is damaged") from error
    except BOMBS as error:
        raise UnreadableImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels") from error
    except DECODING_ERRORS as error:
        cut = "truncated" in str(error) or isinstance(error, EOFError)
        raise UnreadableImageError("cut off" if cut else f"damaged ({type(error).__name__})") from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels")
    if image.width * image.height == 0:
        raise UnreadableImageError("it has no pixels")


def _facts(image: Image.Image) -> ImageFacts:
    return ImageFacts(
        width=image.width,
        height=image.height,
        sixteen_bit=image.mode in SIXTEEN_BIT,
        transparent=image.has_transparency_data,
        animated=bool(getattr(image, "is_animated", False)),
        rotated=_orientation(image) not in (None, 0, 1),
    )


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except DECODING_ERRORS:
        return None  # broken metadata is no reason to refuse the pixels


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16-bit grey by its high byte, as other decoders do; Pillow's own conversion would clip at 255."""
    if image.mode not in SIXTEEN_BIT:
        return image
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
