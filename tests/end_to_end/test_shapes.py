"""Turned boxes and polygons of a model server: one object each, in its place, of its own size; kept in the archive."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from pyproj import Transformer
from shapely import affinity

from tests.end_to_end.files import picture, tiff
from tests.end_to_end.user import World, Written, imagery_backfill
from tests.scripted_server import Request, Response, scripted

WIDTH, HEIGHT, GSD_M = 1100, 900, 0.5
CUT = ("--chip-px", 512, "--overlap-px", 102)
TO_LONLAT = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)


def turned(col: float, row: float, length: float, width: float, angle: float) -> shapely.Polygon:
    upright = shapely.box(col - length / 2, row - width / 2, col + length / 2, row + width / 2)
    return affinity.rotate(upright, angle)


SHIPS = {
    "across four chips": turned(460, 470, 260, 44, 40),
    "between two chips": turned(900, 440, 150, 30, -70),
    "in one chip": turned(200, 200, 120, 24, 15),
    "longer than a chip": turned(560, 700, 900, 40, 5),
}
BOAT = turned(520, 400, 36, 14, 40)
"""In the empty corner of the first one's box, and on the chips' border."""
PLANTED = [*(("ship", one) for one in SHIPS.values()), ("ship", BOAT)]


def model(request: Request) -> Response:
    """What lies in the chip: boats as polygons, ships as turned boxes while they are rectangles."""
    col, row, width, height = (int(number) for number in request.headers["x-window"].split(","))
    with Image.open(io.BytesIO(request.body)) as chip:
        scale = (min(chip.width / width, 1.0), min(chip.height / height, 1.0))
    found = []
    for label, planted in PLANTED:
        visible = planted & shapely.box(col, row, col + width, row + height)
        if visible.area < 0.1 * planted.area:
            continue
        seen = affinity.scale(affinity.translate(visible, -col, -row), *scale, origin=(0, 0))
        properties = {"label": label, "confidence": 95 * visible.area / planted.area}
        points = shapely.get_coordinates(seen)[:-1].tolist()
        if len(points) == 4 and scale == (1, 1) and planted is not BOAT and visible.area == planted.area:
            properties["rotated_box"] = as_numbers(np.array(points))
        geometry = None if "rotated_box" in properties else {"type": "Polygon", "coordinates": [[*points, points[0]]]}
        found.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return Response(body=json.dumps(found).encode())


def as_numbers(corners: np.ndarray) -> list[float]:
    """Middle, width, height, and the angle of the width."""
    middle, across, down = corners.mean(axis=0), corners[1] - corners[0], corners[2] - corners[1]
    angle = np.degrees(np.arctan2(across[1], across[0]))
    return [*middle.tolist(), float(np.hypot(*across)), float(np.hypot(*down)), float(angle)]


def on_ground(polygon: shapely.Polygon) -> shapely.Polygon:
    cols, rows = shapely.get_coordinates(polygon).T
    return shapely.Polygon(np.column_stack(TO_LONLAT.transform(388_000 + cols * GSD_M, 5_822_000 - rows * GSD_M)))


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return (one & other).area / (one | other).area


def matched(features: list[dict]) -> list[dict]:
    """Of each planted object the one feature that lies where it does; nothing else is there."""
    assert len(features) == len(PLANTED)
    best = [max(features, key=lambda one: iou(shape_of(one), on_ground(planted))) for _, planted in PLANTED]
    assert len({one["id"] for one in best}) == len(PLANTED)
    return best


def shape_of(feature: dict) -> shapely.Geometry:
    return shapely.geometry.shape(feature["geometry"])


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "harbour.tif").write_bytes(tiff(picture(width=WIDTH, height=HEIGHT, cars=())))
    with scripted(model) as running:
        detector = f"http@{running.url}"
        done = imagery_backfill("run", folder, "--to", folder / "found.geojson", "--detector", detector, *CUT, "--json")
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    return folder, Written.read(folder / "found.geojson").labels("harbour.tif")


def test_each_object_is_found_once_where_it_is(found):
    for feature, (_, planted) in zip(matched(found[1]), PLANTED, strict=True):
        assert iou(shape_of(feature), on_ground(planted)) > 0.97
        assert not feature["properties"]["touches_edge"]


def test_sizes_are_those_of_the_ships_and_not_of_their_boxes(found):
    for feature, (_, planted) in zip(matched(found[1]), PLANTED, strict=True):
        around = planted.minimum_rotated_rectangle
        sides = sorted(np.hypot(*np.diff(shapely.get_coordinates(around)[:3], axis=0).T) * GSD_M)
        properties = feature["properties"]
        assert [properties["width_m"], properties["length_m"]] == pytest.approx(sides, rel=0.02)
        assert properties["area_m2"] == pytest.approx(planted.area * GSD_M**2, rel=0.03)


def test_the_picture_shows_them(found, tmp_path):
    folder, features = found
    image, out = folder / "harbour.tif", tmp_path / "shown.png"
    done = imagery_backfill("show", image, "--from", folder / "found.geojson", "--out", out)
    assert done.exit_code == 0
    with Image.open(out) as shown:
        drawn = np.asarray(shown.convert("RGB")).astype(int)[:HEIGHT]
    coloured = np.ptp(drawn, axis=-1) > 60
    ring = matched(features)[2]["properties"]["pixel_ring"]
    for (col, row), (next_col, next_row) in zip(ring, ring[1:] + ring[:1], strict=True):
        middle = round((row + next_row) / 2), round((col + next_col) / 2)
        assert coloured[middle[0] - 3 : middle[0] + 4, middle[1] - 3 : middle[1] + 4].any()
    left, _, _, bottom = (round(edge) for edge in matched(features)[2]["properties"]["pixel_box"])
    assert not coloured[bottom - 3 : bottom + 4, left - 3 : left + 4].any()


def test_the_index_has_them_and_the_archive_gives_them_again_without_a_call(world: World):
    world.put("harbour.tif", tiff(picture(width=WIDTH, height=HEIGHT, cars=())))
    with scripted(model) as running:
        detector = f"http@{running.url}"
        first = world.run(*CUT, detector=detector)
        asked = len(running.requests)
        again = world.run(*CUT, "--exclude-labels", "car", detector=detector)
        assert (first.images, again.images) == ({"indexed": 1}, {"indexed": 1})
        assert len(running.requests) == asked > 4
    labels = world.labels("harbour.tif")
    assert len(labels) == len(PLANTED)
    for _, planted in PLANTED:
        best = max(iou(shapely.Polygon(label.pixel_ring), planted) for label in labels)
        assert best > 0.97
