"""What a coarse picture takes for one object, though chips see several there."""

import numpy as np
import shapely

from batch_job.detection.glimpses import JITTER_PX
from batch_job.detection.measures import view_shares
from batch_job.detection.views import Flags, Ints, Views, grown, rectangles

HELD = 0.7
"""Of an object's box: more than this inside another one's, and it is one of the crowd."""


def are_crowds(views: Views, groups: Ints) -> Flags:
    """Tell which views are of a coarse picture alone and hold two things or more that chips saw, of the same label.

    A picture of the whole image cannot tell cars apart that are a few of its pixels large and stand close together.

    Args:
        views: All.
        groups: (n,): index of the first view of each view's object.
    """
    px = views.resolutions_px[views.chips]
    crowds = np.zeros(len(groups), dtype=bool)
    coarse = px > px.min(initial=np.inf)
    if not coarse.any():
        return crowds
    confirmed = np.zeros(len(groups), dtype=bool)
    confirmed[groups[~coarse]] = True
    suspects, seen = np.flatnonzero(coarse & ~confirmed[groups]), np.flatnonzero(~coarse)
    reached = grown(views.boxes[suspects], JITTER_PX)
    held_by, which = shapely.STRtree(rectangles(views.boxes[seen])).query(rectangles(reached))
    suspects, held = suspects[held_by], seen[which]
    inside = view_shares(views, held, suspects, np.full(len(held), JITTER_PX)) > HELD
    inside &= views.labels[held] == views.labels[suspects]
    pairs = np.unique(np.column_stack((suspects[inside], groups[held[inside]])), axis=0)
    crowds[np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(groups)) > 1)] = True
    return crowds
