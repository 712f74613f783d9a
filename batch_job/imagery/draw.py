"""Detections drawn on an image: boxes and polygons in a colour per label, names where there is room, and a legend."""

import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from batch_job.imagery.colours import Colour, colours_of
from batch_job.imagery.names import Name, Rectangle, place_names
from batch_job.values.documents import LabelDocument
from batch_job.values.spaces import Kind

NAME_PX = 13
NAME_HEIGHT_PX = NAME_PX + 4
NAMED_BOXES = 150
"""Above so many boxes names would hide the picture; the legend still counts them."""
LEGEND_ROW_PX = 22
DASH_PX = 8
SMALL_PX = 10
"""A box with a shorter side has a line of 1 px instead of 2."""
REGION_STEP_PX = 4
"""By so much the frame of a region lies within that of another on the same chips: the width of one with its edge."""

_INK, _PAPER, _SHADE = (235, 235, 235), (24, 26, 30), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A detection in the picture's own pixels."""

    label: str
    confidence: float
    kind: str
    box: Rectangle
    ring: tuple[tuple[float, float], ...] | None
    """Columns and rows of its points, where it is no upright box."""
    colour: Colour


def draw(rgb: NDArray[np.uint8], labels: Sequence[LabelDocument], *, image_width: int, image_height: int) -> bytes:
    """Draw labels on an overview of their image.

    Lines have a dark edge, so that they are seen on bright ground too; of boxes they lie outside of what they frame, of
    polygons half outside.

    Args:
        rgb: The overview, (3, rows, columns).
        labels: Of this image, boxes in pixels of the whole image.
        image_width: Of the whole image, px.
        image_height: The same.

    Returns:
        A PNG.
    """
    rows, columns = rgb.shape[1:]
    scale = (columns / image_width, rows / image_height)
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1)))
    colours = colours_of(label.label for label in labels)
    drawn = [_scaled(label, scale, colours) for label in labels]
    canvas = ImageDraw.Draw(picture)
    for region, frame in _set_apart([one for one in drawn if one.kind != Kind.OBJECT]):
        _dash(canvas, frame, region.colour)
    objects = sorted((one for one in drawn if one.kind == Kind.OBJECT), key=lambda one: -one.confidence)
    for one in objects:
        _shade(canvas, one)
    for one in objects:
        _outline(canvas, one)
    if len(objects) <= NAMED_BOXES:
        _write_names(canvas, objects)
    return _png(_with_legend(picture, drawn))


def _scaled(label: LabelDocument, scale: tuple[float, float], colours: Mapping[str, Colour]) -> _Drawn:
    min_col, min_row, max_col, max_row = label.pixel_box
    left, top = round(min_col * scale[0]), round(min_row * scale[1])
    right, bottom = max(round(max_col * scale[0]), left + 1), max(round(max_row * scale[1]), top + 1)
    box = Rectangle(left=left, top=top, right=right, bottom=bottom)
    points = label.pixel_ring
    ring = None if points is None else tuple((col * scale[0], row * scale[1]) for col, row in points)
    return _Drawn(label.label, label.confidence, label.kind, box, ring, colours[label.label])


def _set_apart(regions: Iterable[_Drawn]) -> Iterator[tuple[_Drawn, Rectangle]]:
    """Give each region a frame none of whose sides lies on that of an earlier one, as far as there is room."""
    frames: list[Rectangle] = []
    for region in regions:
        frame = region.box
        while any(_share_a_side(frame, other) for other in frames):
            smaller = _inset(frame, REGION_STEP_PX)
            if smaller.right - smaller.left < DASH_PX or smaller.bottom - smaller.top < DASH_PX:
                break
            frame = smaller
        frames.append(frame)
        yield region, frame


def _share_a_side(one: Rectangle, other: Rectangle) -> bool:
    sides = zip(
        (one.left, one.top, one.right, one.bottom), (other.left, other.top, other.right, other.bottom), strict=True
    )
    return any(abs(mine - its) < REGION_STEP_PX for mine, its in sides)


def _inset(frame: Rectangle, by_px: float) -> Rectangle:
    return Rectangle(frame.left + by_px, frame.top + by_px, frame.right - by_px, frame.bottom - by_px)


def _dash(canvas: ImageDraw.ImageDraw, frame: Rectangle, colour: Colour) -> None:
    left, top, right, bottom = frame.left, frame.top, frame.right - 1, frame.bottom - 1
    canvas.rectangle((left, top, max(right, left), max(bottom, top)), outline=_SHADE, width=REGION_STEP_PX)
    for start in range(int(left) + 1, int(right) - 1, 2 * DASH_PX):
        for row in (top + 1, bottom - 2):
            canvas.rectangle((start, row, min(start + DASH_PX, right - 1), row + 1), fill=colour)
    for start in range(int(top) + 1, int(bottom) - 1, 2 * DASH_PX):
        for column in (left + 1, right - 2):
            canvas.rectangle((column, start, column + 1, min(start + DASH_PX, bottom - 1)), fill=colour)


def _line_px(box: Rectangle) -> int:
    return 1 if min(box.right - box.left, box.bottom - box.top) < SMALL_PX else 2


def _shade(canvas: ImageDraw.ImageDraw, one: _Drawn) -> None:
    box, out = one.box, _line_px(one.box) + 1
    if one.ring is not None:
        _draw_ring(canvas, one.ring, _SHADE, width=out + 1)
        return
    canvas.rectangle((box.left - out, box.top - out, box.right + out - 1, box.bottom + out - 1), outline=_SHADE)


def _outline(canvas: ImageDraw.ImageDraw, one: _Drawn) -> None:
    box, width = one.box, _line_px(one.box)
    if one.ring is not None:
        _draw_ring(canvas, one.ring, one.colour, width=width)
        return
    around = (box.left - width, box.top - width, box.right + width - 1, box.bottom + width - 1)
    canvas.rectangle(around, outline=one.colour, width=width)


def _draw_ring(canvas: ImageDraw.ImageDraw, ring: Sequence[tuple[float, float]], colour: Colour, *, width: int) -> None:
    """Draw a closed line; its second point once more at the end, so that the last corner is as round as the others."""
    canvas.line([*ring, *ring[:2]], fill=colour, width=width, joint="curve")


def _write_names(canvas: ImageDraw.ImageDraw, objects: Sequence[_Drawn]) -> None:
    """Write as many names as there is room for, the surest first."""
    font = ImageFont.load_default(NAME_PX)
    texts = [f"{one.label} {one.confidence:.0f}" for one in objects]
    names = [
        Name(one.box, width=canvas.textlength(text, font=font) + 4, height=NAME_HEIGHT_PX)
        for one, text in zip(objects, texts, strict=True)
    ]
    width, height = canvas.im.size
    for one, text, place in zip(objects, texts, place_names(names, width=width, height=height), strict=True):
        if place is not None:
            canvas.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), fill=_PAPER)
            canvas.text((place.left + 2, place.top), text, fill=one.colour, font=font)


def _with_legend(picture: Image.Image, drawn: Sequence[_Drawn]) -> Image.Image:
    """Put rows of swatches under the picture, as many as the labels need."""
    entries = sorted(Counter((one.label, one.kind, one.colour) for one in drawn).items())
    texts = [
        (colour, f"{label} {n:,}" if kind == Kind.OBJECT else f"{label} (region)")
        for (label, kind, colour), n in entries
    ]
    rows = list(_rows(texts or [(_PAPER, "nothing found")], picture.width))
    width = max(picture.width, *(math.ceil(_entry_px(row[0][-1])) for row in rows))
    sheet = Image.new("RGB", (width, picture.height + LEGEND_ROW_PX * len(rows)), _PAPER)
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
    row: list[tuple[float, Colour, str]] = []
    used = 0.0
    for colour, text in texts:
        needed = _entry_px(text)
        if row and used + needed > width:
            yield row
            row, used = [], 0.0
        row.append((used, colour, text))
        used += needed
    yield row


def _entry_px(text: str) -> float:
    """Tell how much of a row of the legend an entry takes."""
    return LEGEND_ROW_PX + ImageFont.load_default(NAME_PX).getlength(text) + NAME_PX


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
