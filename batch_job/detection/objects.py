"""What an object is like, of which several chips have views."""

from dataclasses import dataclass

import numpy as np

from batch_job.detection.glimpses import JITTER_PX, JITTER_SHARE
from batch_job.detection.polygons import Polygons
from batch_job.detection.views import OUTWARDS, SIDES, Flags, Floats, Ints, SideBits, Views, areas, taken


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects seen by several chips, one item each."""

    firsts: Ints
    """Index of the object's first view."""
    boxes: Floats
    labels: Ints
    confidences: Floats
    cut: SideBits
    """Sides where no chip saw the end."""
    resolutions_px: Floats
    """Of the finest picture that gave the box."""
    shapes: Polygons | None = None
    """Of objects that are no upright boxes (``shapes.with_shapes``); None: there are none."""


@dataclass(frozen=True, slots=True)
class _Members:
    """Views of objects, object by object."""

    views: Ints
    begins: Ints
    """Where in ``views`` each object begins."""
    objects: Ints
    """Number of the object of each view."""


def describe(views: Views, groups: Ints) -> Objects:
    """Describe the objects with more than one view.

    Args:
        views: All.
        groups: (n,): index of the first view of each view's object.
    """
    members = _members(groups)
    boxes, cut = _outlines(views, members)
    labels, confidences = _names(views, members)
    firsts = members.views[members.begins]
    resolutions = _least(views.resolutions_px[views.chips[members.views]], members)
    return Objects(firsts, boxes, labels, confidences, cut, resolutions)


def _members(groups: Ints) -> _Members:
    several = np.flatnonzero(np.bincount(groups, minlength=len(groups))[groups] > 1)
    order = several[np.argsort(groups[several], kind="stable")]
    firsts = groups[order]
    begins = (
        np.flatnonzero(np.concatenate(([True], firsts[1:] != firsts[:-1]))) if len(order) else np.empty(0, np.int64)
    )
    return _Members(order, begins, np.repeat(np.arange(len(begins)), np.diff(begins, append=len(order))))


def _outlines(views: Views, members: _Members) -> tuple[Floats, SideBits]:
    """Give the box of each object, and its sides that are still cut.

    Of uncut views in the finest pictures the largest is the box. If all are cut, it is the box around them; a coarser
    picture's uncut view then gives the sides on which it goes beyond by more than it can be wrong.
    """
    boxes, cut = taken(views.boxes, members.views), views.cut[members.views]
    pixels = views.resolutions_px[views.chips[members.views]]
    finest = pixels <= _least(pixels, members)[members.objects]
    around, around_cut = _around(boxes, cut, np.where(finest, pixels, np.inf), members)
    whole = _best(np.where(cut > 0, -1.0, areas(boxes) / pixels**4), members)
    uncut, exact = cut[whole] == 0, finest[whole]
    wrong_px = JITTER_PX * pixels[whole, None] + JITTER_SHARE * np.tile(boxes[whole, 2:] - boxes[whole, :2], 2)
    unconfirmed = (boxes[whole] - around) * OUTWARDS > wrong_px
    mended = np.where(unconfirmed, boxes[whole], around)
    outlines = np.where((uncut & exact)[:, None], boxes[whole], np.where(uncut[:, None], mended, around))
    return outlines, np.where(uncut, 0, around_cut).astype(np.uint8)


def _around(boxes: Floats, cut: SideBits, pixels: Floats, members: _Members) -> tuple[Floats, SideBits]:
    """Give the box around the views of finite pixels of each object, and the sides where none of them saw the end."""
    counted = np.isfinite(pixels)[:, None]
    low = np.minimum.reduceat(np.where(counted, boxes[:, :2], np.inf), members.begins)
    high = np.maximum.reduceat(np.where(counted, boxes[:, 2:], -np.inf), members.begins)
    around = np.concatenate((low, high), axis=1)
    inside_px = (around[members.objects] - boxes) * OUTWARDS
    ends = counted & (inside_px <= JITTER_PX * pixels[:, None]) & ((cut[:, None] & np.array(SIDES, np.uint8)) == 0)
    seen = np.logical_or.reduceat(ends, members.begins)
    return around, (~seen * np.array(SIDES, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)


def _names(views: Views, members: _Members) -> tuple[Ints, Floats]:
    """Give each object the label of which its views are surest together, and the highest confidence in that."""
    labels, confidences = views.labels[members.views], views.confidences[members.views]
    chosen = labels[members.begins]
    mixed = np.logical_or.reduceat(labels != chosen[members.objects], members.begins)
    which = np.flatnonzero(mixed[members.objects])
    if len(which):
        many = labels.max() + 1
        names, inverse = np.unique(members.objects[which] * many + labels[which], return_inverse=True)
        sums = np.bincount(inverse, weights=confidences[which])
        best_first = np.lexsort((names, -sums, names // many))
        owners, firsts = np.unique(names[best_first] // many, return_index=True)
        chosen[owners] = names[best_first[firsts]] % many
    bearing = np.where(labels == chosen[members.objects], confidences, -np.inf)
    return chosen, np.maximum.reduceat(bearing, members.begins)


def _best(values: Floats, members: _Members) -> Ints:
    """Give the place in ``members.views`` of each object's highest value, of equals the first."""
    highest: Flags = values == np.maximum.reduceat(values, members.begins)[members.objects]
    places = np.flatnonzero(highest)
    _, firsts = np.unique(members.objects[places], return_index=True)
    return np.asarray(places[firsts])


def _least(values: Floats, members: _Members) -> Floats:
    return np.asarray(np.minimum.reduceat(values, members.begins))
