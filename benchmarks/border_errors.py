"""What a merge got wrong: objects that are missed, and detections that are too many.

*Plainly*, as is done for the ideal detector: every planted object is matched with at most one detection of its label by
an IoU of a half or more, the best pairs first; objects left over are missed, detections left over are extra.

A noisy detector is wrong by itself, whatever merges: it misses views, invents objects and confuses labels. So that only
the merging is counted, an object then may bear any label that one of its views bears; an object of which too
little was seen (the box around all its views has an IoU under a half with it) need not be found; and one detection for
each of those, and for each invention, is not extra.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from batch_job.detection.views import rectangles
from benchmarks.border_scene import Truth, Views

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong."""

    extra: int
    missed: int

    def __add__(self, other: "Errors") -> "Errors":
        """Add up scenes."""
        return Errors(self.extra + other.extra, self.missed + other.missed)

    @property
    def total(self) -> int:
        """Both."""
        return self.extra + self.missed


def plain_errors(boxes: Floats, labels: Ints, truth: Truth) -> Errors:
    """Compare with the truth alone."""
    bears = np.zeros((len(truth.boxes), labels.max(initial=0) + truth.labels.max(initial=0) + 1), dtype=bool)
    bears[np.arange(len(truth.boxes)), truth.labels] = True
    found, there = _match(boxes, labels, truth.boxes, bears)
    return Errors(extra=int((~found).sum()), missed=int((~there).sum()))


def merge_errors(boxes: Floats, labels: Ints, truth: Truth, views: Views) -> Errors:
    """Compare with what can be known from the views."""
    real = views.objects >= 0
    bears = np.zeros((len(truth.boxes), int(max(labels.max(initial=0), views.labels.max(initial=0))) + 1), dtype=bool)
    bears[views.objects[real], views.labels[real]] = True
    hulls = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(truth.boxes), 1))
    np.minimum.at(hulls[:, :2], views.objects[real], views.boxes[real, :2])
    np.maximum.at(hulls[:, 2:], views.objects[real], views.boxes[real, 2:])
    seen = bears.any(axis=1)
    known = np.zeros(len(truth.boxes), dtype=bool)
    known[seen] = _ious(hulls[seen], truth.boxes[seen]) >= MIN_IOU
    found, there = _match(boxes, labels, truth.boxes[known], bears[known])
    little = seen & ~known
    others = np.concatenate((hulls[little], views.boxes[~real]))
    may = np.concatenate((bears[little], np.eye(bears.shape[1], dtype=bool)[views.labels[~real]]))
    left = np.flatnonzero(~found)
    excused, _ = _match(boxes[left], labels[left], others, may)
    return Errors(extra=int((~excused).sum()), missed=int((~there).sum()))


def _match(boxes: Floats, labels: Ints, others: Floats, bears: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """Tell which boxes and which others have a partner."""
    used, met = np.zeros(len(boxes), dtype=bool), np.zeros(len(others), dtype=bool)
    if not len(boxes) or not len(others):
        return used, met
    i, j = shapely.STRtree(rectangles(others)).query(rectangles(boxes))
    ious = _ious(boxes[i], others[j])
    near = (ious >= MIN_IOU) & bears[j, labels[i]]
    i, j = i[near], j[near]
    for at in np.argsort(-ious[near], kind="stable").tolist():
        if not used[i[at]] and not met[j[at]]:
            used[i[at]] = met[j[at]] = True
    return used, met


def _ious(boxes: Floats, others: Floats) -> Floats:
    low, high = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clip(0).prod(axis=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / (area - shared))
