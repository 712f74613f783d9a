from dataclasses import replace

import numpy as np
import shapely

from benchmarks.border_quality import Case
from benchmarks.border_scene import IDEAL, chip_frames
from benchmarks.border_shapes import GAP_PX, TURNED, look, measure, plant

SLENDER = replace(TURNED[1], count=60, width=2600, height=1800)
CASE = Case(SLENDER, "512/20 %", IDEAL, overview=False)


def test_turned_objects_keep_their_gap_though_their_boxes_overlap():
    truth, planted = plant(SLENDER, 0)
    tree = shapely.STRtree(planted)
    one, other = tree.query(planted, predicate="dwithin", distance=GAP_PX - 1e-9)
    assert (one == other).all()
    assert len(tree.query(planted)[0]) > len(planted)
    assert (truth.boxes == shapely.bounds(planted)).all()


def test_what_is_seen_lies_in_its_chip_and_the_boxes_lie_around_it():
    truth, planted = plant(SLENDER, 0)
    seen = look(planted, truth, chip_frames(CASE.grid), seed=0)
    windows = np.array([(f.window.col_off, f.window.row_off) for f in seen.views.frames])[seen.views.chips]
    assert (seen.views.boxes[:, :2] >= windows - 1e-6).all()
    assert (seen.views.boxes[:, 2:] <= windows + 512 + 1e-6).all()
    assert (seen.views.boxes == shapely.bounds(seen.polygons)).all()
    assert len(seen.polygons) > len(planted)


def test_ours_makes_no_error_on_turned_objects():
    row = measure(CASE, range(2), peers=()).to_json()
    assert (row["ours_extra"], row["ours_missed"], row["detector"]) == (0, 0, "ideal")
    assert row["case"].startswith("ideal, rotated and slender")
    assert row["objects"] > 100
