"""Images from untrusted bytes: which are read, how they look afterwards, and why others are not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.engine.datasets.images import (
    FORMATS,
    MAX_PIXELS,
    THUMBNAIL_SIDE,
    UnreadableImageError,
    decode_image,
    encode_thumbnail,
    examine_image,
)

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of one row that says it has `height`."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    row = zlib.compress(bytes(width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_accepted_format_decodes_as_pillow_does(kind: str) -> None:
    data = encoded(Image.fromarray(PIXELS), kind)
    with Image.open(io.BytesIO(data)) as expected:
        assert np.array_equal(np.asarray(decode_image(data).convert("RGB")), np.asarray(expected.convert("RGB")))
    facts = examine_image(data)
    assert (facts.width, facts.height) == (7, 9)
    assert not any((facts.sixteen_bit, facts.transparent, facts.animated, facts.rotated))


def test_sixteen_bit_grey_keeps_its_upper_byte() -> None:
    values = np.array([[0, 255, 256, 32767, 65535]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert np.asarray(decode_image(data)).tolist() == [[0, 0, 1, 127, 255]]
    assert decode_image(data).mode == "L"
    assert examine_image(data).sixteen_bit


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert examine_image(data).animated


def test_a_turned_photo_is_used_as_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(PIXELS), "JPEG", exif=exif)
    facts = examine_image(data)
    assert facts.rotated
    assert (facts.width, facts.height) == decode_image(data).size == (7, 9)


def test_transparency_is_said() -> None:
    assert examine_image(encoded(Image.new("RGBA", (3, 3), (1, 2, 3, 4)), "PNG")).transparent


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"<svg onload='alert(1)'/>", "not a JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n", "not a JPEG"),
        (encoded(Image.fromarray(PIXELS), "TIFF"), "TIFF is not accepted"),
        (encoded(Image.fromarray(PIXELS), "ICO"), "not a JPEG"),
        (encoded(Image.fromarray(np.tile(PIXELS, (30, 30, 1))), "JPEG")[:-200], "cut off"),
        (encoded(Image.fromarray(np.tile(PIXELS, (30, 30, 1))), "PNG")[:300], "cut off"),
        (png_claiming(MAX_PIXELS // 1000, 1001), "larger than 50 megapixels"),
        (png_claiming(12_000, 12_000), "larger than 50 megapixels"),
        (png_claiming(60_000, 60_000), "larger than 50 megapixels"),
    ],
)
def test_what_is_not_read_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(data)


def test_reasons_say_nothing_that_changes_from_run_to_run() -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(b"not an image")
    assert "0x" not in str(caught.value)


def test_the_limit_itself_is_accepted() -> None:
    assert decode_image(png_claiming(MAX_PIXELS // 1000, 1000)).size == (MAX_PIXELS // 1000, 1000)


@pytest.mark.parametrize("size", [(1000, 500), (30, 2000), (5, 5)])
def test_a_thumbnail_is_a_small_jpeg(size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(encode_thumbnail(Image.new("RGB", size, "teal")))) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert max(thumbnail.size) == min(THUMBNAIL_SIDE, max(size))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "PA"])
def test_every_mode_has_a_thumbnail(mode: str) -> None:
    assert encode_thumbnail(Image.new(mode, (8, 8))).startswith(b"\xff\xd8")
