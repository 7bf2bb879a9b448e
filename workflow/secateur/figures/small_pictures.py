"""Pictures of a few pixels as PNG in data addresses: a palette of 8 bits at most, enlarged by the browser."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Shades of the scale: as many below zero as above it, and white between. Fewer compress better, and the eye tells
# neighbours of these hardly apart.
SHADES = 41
NEGATIVE, POSITIVE = (5, 48, 97), (103, 0, 31)


def scale() -> np.ndarray:
    """The colours of the symmetric scale, (SHADES, 3) uint8: dark blue, white at zero, dark red."""
    half = np.linspace(0, 1, SHADES // 2 + 1)[:, None]
    below = 255 + half * (np.array(NEGATIVE) - 255)
    above = 255 + half * (np.array(POSITIVE) - 255)
    return np.rint(np.concatenate([below[:0:-1], above])).astype(np.uint8)


def of_relevance(values: np.ndarray, largest: float, alt: str) -> str:
    """An image element of relevance (h, w), on the scale from minus `largest` to `largest`."""
    from PIL import Image

    shares = np.clip(np.nan_to_num(values / largest) if largest > 0 else np.zeros(values.shape), -1, 1)
    picture = Image.fromarray(np.rint((shares + 1) / 2 * (SHADES - 1)).astype(np.uint8), mode="P")
    picture.putpalette(scale().tobytes())
    return _element(picture, alt)


def of_pixels(pixels: np.ndarray, alt: str) -> str:
    """An image element of pixels (C, h, w) uint8, of one channel or of three."""
    from PIL import Image

    if len(pixels) == 1:
        return _element(Image.fromarray(pixels[0]), alt)
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels[:3], 0, -1)))
    return _element(picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE), alt)


def bar(alt: str) -> str:
    """An image element of the scale itself, from its negative end to its positive one."""
    return of_relevance(np.linspace(-1, 1, SHADES)[None], 1.0, alt)


def _element(picture: Image.Image, alt: str) -> str:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    address = base64.b64encode(data.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{address}">'
