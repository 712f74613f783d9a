"""Detections drawn on an image: boxes in a colour per label, names where there is room, and a legend."""

import colorsys
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from batch_job.values.documents import LabelDocument
from batch_job.values.spaces import Kind

NAME_PX = 13
NAMED_BOXES = 150
"""Above so many boxes names would hide the picture; the legend still counts them."""
LEGEND_ROW_PX = 22
DASH_PX = 8
GOLDEN_RATIO = 0.618034
"""Steps of so much of the colour circle never come close to an earlier one."""

_INK, _PAPER = (235, 235, 235), (24, 26, 30)

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A detection in the picture's own pixels."""

    label: str
    confidence: float
    kind: str
    corners: tuple[float, float, float, float]
    """left, top, right, bottom."""
    colour: Colour


def draw(rgb: NDArray[np.uint8], labels: Sequence[LabelDocument], *, image_width: int, image_height: int) -> bytes:
    """Draw labels on an overview of their image.

    Args:
        rgb: The overview, (3, rows, columns).
        labels: Of this image, boxes in pixels of the whole image.
        image_width: Of the whole image, px.
        image_height: Of the whole image, px.

    Returns:
        A PNG.
    """
    rows, columns = rgb.shape[1:]
    scale = (columns / image_width, rows / image_height)
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1)))
    colours = colours_of(label.label for label in labels)
    drawn = [_scaled(label, scale, colours) for label in labels]
    canvas = ImageDraw.Draw(picture)
    objects = [one for one in drawn if one.kind == Kind.OBJECT]
    for one in drawn:
        _outline(canvas, one)
    for one in objects if len(objects) <= NAMED_BOXES else ():
        _name(canvas, one)
    return _png(_with_legend(picture, drawn))


def colours_of(labels: Iterable[str]) -> dict[str, Colour]:
    """Give each label a bright colour, as far from the others as may be."""
    names = sorted(set(labels))
    shades = (colorsys.hsv_to_rgb(n * GOLDEN_RATIO % 1, 0.6, 1.0) for n in range(len(names)))
    return {
        name: (round(red * 255), round(green * 255), round(blue * 255))
        for name, (red, green, blue) in zip(names, shades, strict=True)
    }


def _scaled(label: LabelDocument, scale: tuple[float, float], colours: Mapping[str, Colour]) -> _Drawn:
    min_col, min_row, max_col, max_row = label.pixel_box
    corners = (min_col * scale[0], min_row * scale[1], max_col * scale[0], max_row * scale[1])
    return _Drawn(label.label, label.confidence, label.kind, corners, colours[label.label])


def _outline(canvas: ImageDraw.ImageDraw, one: _Drawn) -> None:
    left, top, right, bottom = one.corners
    if one.kind == Kind.OBJECT:
        # one pixel outside, so that a small object is not painted over
        canvas.rectangle((left - 1, top - 1, max(right, left + 1), max(bottom, top + 1)), outline=one.colour, width=2)
        return
    for start in range(int(left), int(right), 2 * DASH_PX):
        for row in (top + 1, bottom - 2):
            canvas.line((start, row, min(start + DASH_PX, right), row), fill=one.colour)
    for start in range(int(top), int(bottom), 2 * DASH_PX):
        for column in (left + 1, right - 2):
            canvas.line((column, start, column, min(start + DASH_PX, bottom)), fill=one.colour)


def _name(canvas: ImageDraw.ImageDraw, one: _Drawn) -> None:
    left, top, _, bottom = one.corners
    font = ImageFont.load_default(NAME_PX)
    text = f"{one.label} {one.confidence:.0f}"
    width = canvas.textlength(text, font=font)
    row = top - NAME_PX - 4 if top > NAME_PX + 4 else bottom + 2
    canvas.rectangle((left - 1, row, left + width + 3, row + NAME_PX + 3), fill=_PAPER)
    canvas.text((left + 1, row), text, fill=one.colour, font=font)


def _with_legend(picture: Image.Image, drawn: Sequence[_Drawn]) -> Image.Image:
    """Put rows of swatches under the picture, as many as the labels need."""
    entries = sorted(Counter((one.label, one.kind, one.colour) for one in drawn).items())
    texts = [
        (colour, f"{label} {n:,}" if kind == Kind.OBJECT else f"{label} (region)")
        for (label, kind, colour), n in entries
    ]
    rows = list(_rows(texts or [(_PAPER, "nothing found")], picture.width))
    sheet = Image.new("RGB", (picture.width, picture.height + LEGEND_ROW_PX * len(rows)), _PAPER)
    sheet.paste(picture, (0, 0))
    canvas = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = picture.height + number * LEGEND_ROW_PX
        for left, colour, text in row:
            canvas.rectangle((left + 5, top + 5, left + 16, top + 16), fill=colour)
            canvas.text((left + LEGEND_ROW_PX, top + 2), text, fill=_INK, font=ImageFont.load_default(NAME_PX))
    return sheet


def _rows(texts: Iterable[tuple[Colour, str]], width: int) -> Iterator[list[tuple[float, Colour, str]]]:
    """Break the legend's entries into rows; each entry with its distance from the left."""
    font = ImageFont.load_default(NAME_PX)
    row: list[tuple[float, Colour, str]] = []
    used = 0.0
    for colour, text in texts:
        needed = LEGEND_ROW_PX + font.getlength(text) + NAME_PX
        if row and used + needed > width:
            yield row
            row, used = [], 0.0
        row.append((used, colour, text))
        used += needed
    yield row


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
