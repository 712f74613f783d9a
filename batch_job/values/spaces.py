"""Chip space, image space, and what was found in each. Lengths are pixels unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum, auto
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from batch_job.errors import GeometryError, GridError

if TYPE_CHECKING:
    from batch_job.values.image import ImageRef
    from batch_job.values.place import Footprint, LonLat

MIN_RING_POINTS = 3


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A whole-pixel rectangle of an image, named as rasterio names it."""

    col_off: int
    """Column of the left edge, px from the image's left."""
    row_off: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0 or self.col_off < 0 or self.row_off < 0:
            raise GridError(f"not a window inside an image: {self}")


@dataclass(frozen=True, slots=True)
class PixelBox:
    """An upright rectangle at sub-pixel precision; (0, 0) is the outer corner of the first pixel, as in GDAL."""

    min_col: float
    min_row: float
    max_col: float
    max_row: float

    def __post_init__(self) -> None:
        # written so that NaN fails too
        if not (self.min_col < self.max_col and self.min_row < self.max_row):
            raise GeometryError(f"a box without an inside: {self}")

    @property
    def width(self) -> float:
        """Columns covered."""
        return self.max_col - self.min_col

    @property
    def height(self) -> float:
        """Rows covered."""
        return self.max_row - self.min_row


@dataclass(frozen=True, slots=True)
class PixelRing:
    """The outline of a polygon at sub-pixel precision: straight edges from point to point, and back to the first."""

    points: tuple[tuple[float, float], ...]
    """(col, row) each, in either direction; the first is not repeated at the end."""

    def __post_init__(self) -> None:
        # written so that NaN fails too
        if not (len(self.points) >= MIN_RING_POINTS and 0 < self.area < inf):
            raise GeometryError(f"a ring without an inside: {self.points}")

    @property
    def area(self) -> float:
        """What it encloses, px², if its edges do not cross."""
        # from the first point, so that far from the image's corner no digits are lost
        col, row = self.points[0]
        points = [(point[0] - col, point[1] - row) for point in self.points]
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))) / 2

    @property
    def box(self) -> PixelBox:
        """The box around it."""
        cols, rows = zip(*self.points, strict=True)
        return PixelBox(min_col=min(cols), min_row=min(rows), max_col=max(cols), max_row=max(rows))


@dataclass(frozen=True, slots=True)
class ChipGrid:
    """How an image is cut; ``imagery.grid`` yields its windows."""

    image_width: int
    image_height: int
    chip_px: int
    overlap_px: int
    overview_px: int = 0
    """Longest side of a picture of the whole image, looked at too where there is more than one chip; 0: none."""

    def __post_init__(self) -> None:
        if self.image_width <= 0 or self.image_height <= 0:
            raise GridError(f"an image of {self.image_width} x {self.image_height} px has no chips")
        if not 0 <= self.overlap_px < self.chip_px:
            raise GridError(f"overlap_px must be at least 0 and under chip_px={self.chip_px}, not {self.overlap_px}")


@dataclass(frozen=True, slots=True)
class ChipFrame:
    """How a chip's pixels lie in its image: all that is needed to place an answer, without the pixels."""

    window: Window
    """The part of the image that was cut."""
    encoded_width: int
    """Width of the picture that the detector saw, padding included."""
    encoded_height: int
    content_width: int
    """Width of the image's own pixels in that picture, from its left; below ``window.width`` when it was scaled."""
    content_height: int


@dataclass(frozen=True, slots=True)
class Chip:
    """Encoded pixels on their way to a detector."""

    image: ImageRef
    frame: ChipFrame
    body: bytes = field(repr=False)
    media_type: str
    """``image/jpeg`` or ``image/png``."""


@dataclass(frozen=True, slots=True)
class Label:
    """A thing's name, and what else it is called. Parents and aliases are search terms, never counted again."""

    name: str
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Every word this label answers to, its name first, each once."""
        return tuple(dict.fromkeys((self.name, *self.parents, *self.aliases)))


class Kind(StrEnum):
    """Whether a detector said where in the chip, or only that it is in the chip."""

    OBJECT = auto()
    REGION = auto()


class Sides(IntFlag):
    """Some sides of a box."""

    NONE = 0
    LEFT = auto()
    TOP = auto()
    RIGHT = auto()
    BOTTOM = auto()


@dataclass(frozen=True, slots=True)
class ChipDetection:
    """What was seen in one chip, in chip space: pixels of the encoded picture."""

    label: Label
    confidence: float
    """0–100, as the detector gave it."""
    box: PixelBox | None
    """None: somewhere in this chip."""
    shape: PixelRing | None = None
    """None: its box. Otherwise that is the box around it."""


@dataclass(frozen=True, slots=True)
class ImageDetection:
    """What was seen, in image space."""

    label: Label
    confidence: float
    kind: Kind
    box: PixelBox
    """Of an object its box; of a region the box around its chips."""
    windows: tuple[Window, ...]
    """The chips that saw it, sorted; a region is their union."""
    cut: Sides = Sides.NONE
    """Where its box ends at a chip edge that is not the image's edge: it may go on there."""
    resolution_px: float = 1.0
    """Image pixels to one of the picture that it was seen in: no box is more exact than that."""
    shape: PixelRing | None = None
    """Of an object that is no upright box; ``box`` is the box around it."""

    @property
    def touches_edge(self) -> bool:
        """Tell whether it may be cut."""
        return bool(self.cut)


@dataclass(frozen=True, slots=True)
class Feature:
    """A detection with its place on the ground, where the image has one."""

    detection: ImageDetection
    footprint: Footprint | None
    center: LonLat | None
    area_m2: float | None
    length_m: float | None
    """The longer side, on the ground, of an object's box, or of the smallest turned box around its shape; of a region,
    of the box around it."""
    width_m: float | None = None
    """The shorter side of the same box."""


def corners(box: PixelBox) -> Iterator[tuple[float, float]]:
    """Yield (col, row) of the four corners, counter-clockwise as seen on a north-up image."""
    yield box.min_col, box.max_row
    yield box.max_col, box.max_row
    yield box.max_col, box.min_row
    yield box.min_col, box.min_row
