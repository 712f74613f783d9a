"""What chips saw, as arrays: one item a view, boxes as (n, 4) of min_col, min_row, max_col, max_row in image pixels."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from batch_job.detection.polygons import Polygons, polygons_of
from batch_job.values.spaces import ImageDetection, Sides, Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
SideBits = NDArray[np.uint8]
"""(n,) of ``Sides``."""

SIDES = (Sides.LEFT, Sides.TOP, Sides.RIGHT, Sides.BOTTOM)
"""In the order of a box's columns."""
OUTWARDS = np.array([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Views:
    """Views of one image."""

    boxes: Floats
    """(n, 4), kept column by column: arithmetic on whole columns is several times faster so."""
    labels: Ints
    """(n,), from 0 on."""
    confidences: Floats
    """(n,), 0–100."""
    chips: Ints
    """(n,) into ``windows``: which chip saw it."""
    cut: SideBits
    """(n,): sides that end at the chip's edge, where that is not the image's."""
    windows: Floats
    """(m, 4): the chips, as boxes."""
    resolutions_px: Floats
    """(m,): image pixels to a pixel of the picture that the detector saw; 1 for chips that were not shrunk."""
    shapes: Polygons | None = None
    """(n,): of views that are no upright boxes; None: there are none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", np.asfortranarray(self.boxes))

    @classmethod
    def of(cls, found: Sequence[ImageDetection]) -> "Views":
        """Make arrays of detections, each seen in one chip."""
        boxes = [one.box for one in found]
        columns = [[b.min_col for b in boxes], [b.min_row for b in boxes], [b.max_col for b in boxes]]
        pictures: dict[tuple[Window, float], int] = {}
        chips = [pictures.setdefault((one.windows[0], one.resolution_px), len(pictures)) for one in found]
        edges = [(w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height) for w, _ in pictures]
        return cls(
            boxes=np.array([*columns, [b.max_row for b in boxes]], dtype=np.float64).T,
            labels=_numbered(one.label.name for one in found),
            confidences=np.array([one.confidence for one in found], dtype=np.float64),
            chips=np.array(chips, dtype=np.int64),
            cut=np.array([one.cut for one in found], dtype=np.uint8),
            windows=np.array(edges, dtype=np.float64).reshape(-1, 4),
            resolutions_px=np.array([px for _, px in pictures], dtype=np.float64),
            shapes=polygons_of(found),
        )


def areas(boxes: Floats) -> Floats:
    """Give the area of each box, px²; 0 for what has no inside."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def grown(boxes: Floats, by_px: float | Floats) -> Floats:
    """Move the sides of boxes outwards: all by as much, each box (n, 1) or axis (n, 2) by its own."""
    by, edges = np.transpose(by_px), boxes.T
    moved = np.empty(edges.shape)
    np.subtract(edges[:2], by, out=moved[:2])
    np.add(edges[2:], by, out=moved[2:])
    return moved.T


def intersections(boxes: Floats, others: Floats) -> Floats:
    """Give what each box shares with its other, as boxes; those that share nothing have no inside."""
    shared = np.empty(np.broadcast_shapes(boxes.T.shape, others.T.shape))
    np.maximum(boxes.T[:2], others.T[:2], out=shared[:2])
    np.minimum(boxes.T[2:], others.T[2:], out=shared[2:])
    return shared.T


def taken(boxes: Floats, which: Ints) -> Floats:
    """Give some of the boxes; faster than indexing."""
    if boxes.flags.f_contiguous:
        return boxes.T.take(which, axis=1).T
    return boxes.take(which, axis=0)


def rectangles(boxes: Floats) -> NDArray[np.object_]:
    """Make shapes of boxes."""
    return np.asarray(shapely.box(*boxes.T), dtype=object)


def _numbered(things: Iterable[Hashable]) -> Ints:
    """Number things from 0 on, equal ones alike."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(thing, len(numbers)) for thing in things], dtype=np.int64)
