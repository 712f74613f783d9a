"""Scenes with planted objects through real chips and the stand-in: all are found, once, in their place."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from local.rekognition.labels import PALETTE_HUES
from local.scenes import Bands, Compression, Form, Layout, MadeScene, Scene, Shape, Spacing, make
from local.truth import LabelledBox, Match, compare
from tests.end_to_end.user import Done, Written, imagery_backfill

SCENE = {"width": 1900, "height": 1500, "count": 90}
UTM_33 = {"crs": "EPSG:32633", "transform": (0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0)}
# the 180th meridian runs through the middle, at 52 degrees north
DATELINE = {"crs": "EPSG:32660", "transform": (0.5, 0.0, 705_455.0, 0.0, -0.5, 5_765_800.0)}
# turned by 30 degrees
TURNED = {"crs": "EPSG:3857", "transform": (0.866, 0.5, 1_490_000.0, 0.5, -0.866, 6_894_000.0)}

CUTS = {
    "1024 overlapping by 204": ("--chip-px", 1024, "--overlap-px", 204),
    "1024 overlapping by 51": ("--chip-px", 1024, "--overlap-px", 51),
    "640 overlapping by 128": ("--chip-px", 640, "--overlap-px", 128),
    "512 overlapping by 102": ("--chip-px", 512, "--overlap-px", 102),
}
SIZES = {
    "small": Scene("small", width=3300, height=2600, min_object_px=12, max_object_px=60, count=300, seed=31),
    "medium": Scene("medium", width=3300, height=2600, min_object_px=60, max_object_px=300, count=60, seed=32),
    "large": Scene("large", width=4200, height=3400, min_object_px=400, max_object_px=1400, count=7, seed=30),
    "of all sizes, over one another": Scene(
        "all",
        width=4200,
        height=3400,
        min_object_px=12,
        max_object_px=900,
        count=60,
        slenderest=0.2,
        spacing=Spacing.OVERLAPPING,
        layout=Layout.COG,
        compression=Compression.JPEG,
        seed=34,
    ),
}

KINDS = {
    "cog_of_jpeg_blocks": Scene(
        "cog", layout=Layout.COG, compression=Compression.JPEG, spacing=Spacing.BY_LABEL, seed=11, **SCENE, **UTM_33
    ),
    "jpeg": Scene("snapshot", layout=Layout.JPEG, seed=12, **SCENE),
    "png_with_alpha": Scene("alpha", layout=Layout.PNG, bands=Bands.RGBN, nodata_border_px=90, seed=13, **SCENE),
    "sixteen_bits_in_strips_with_a_nodata_border": Scene(
        "sixteen", layout=Layout.STRIPS, bands=Bands.RGBN, bits=16, nodata_border_px=90, seed=14, **SCENE, **UTM_33
    ),
    "palette": Scene("palette", bands=Bands.PALETTE, compression=Compression.LZW, seed=15, **SCENE, **UTM_33),
    "jpeg_blocks_with_a_mask": Scene(
        "masked", compression=Compression.JPEG, nodata_border_px=90, seed=16, **SCENE, **UTM_33
    ),
}
PLACES = {
    "north_up": Scene("north-up", seed=21, **SCENE, **UTM_33),
    "turned": Scene("turned", seed=22, **SCENE, **TURNED),
    "antimeridian": Scene("dateline", layout=Layout.COG, seed=23, **SCENE, **DATELINE),
}


class Found:
    """A scene, and what a run with some options found in it."""

    def __init__(self, made: MadeScene, folder: Path, rekognition_url: str, *options: object) -> None:
        self.made = made
        path = folder / "found.geojson"
        detector = f"rekognition@{rekognition_url}"
        arguments = ("run", self.made.image, "--to", path, "--detector", detector, "--json", *options)
        self.done: Done = imagery_backfill(*arguments)
        self.written = Written.read(path)
        self.comparison = compare(self.written.objects(self.name), made.objects)

    @property
    def name(self) -> str:
        return self.made.scene.file_name


def is_all_that_was_planted(found: Found) -> bool:
    assert found.done.exit_code == 0
    assert (found.comparison.missed, found.comparison.extra) == ((), ())
    assert len(found.comparison.matched) == len(found.made.objects) > 0
    return all(_worst_side(match) <= 1.5 for match in found.comparison.matched)


def _worst_side(match: Match) -> float:
    truth, seen = match.truth.box, match.found.box
    return max(abs(getattr(truth, side) - getattr(seen, side)) for side in truth.__dataclass_fields__)


@pytest.fixture(scope="module", params=SIZES)
def sized(request, tmp_path_factory) -> MadeScene:
    """A scene with objects of some size, drawn once."""
    return make(SIZES[request.param], tmp_path_factory.mktemp("sized"))


@pytest.mark.parametrize("cut", CUTS)
def test_nothing_is_missed_and_nothing_is_extra_however_it_is_cut(sized, cut, tmp_path, rekognition_url):
    assert is_all_that_was_planted(Found(sized, tmp_path, rekognition_url, *CUTS[cut]))


def test_what_is_larger_than_a_chip_is_seen_whole_in_the_picture_of_the_whole_image(tmp_path, rekognition_url):
    large = Shape("Boat", Form.RECTANGLE, col=1500, row=1200, length=1400, width=900, angle_deg=20)
    scene = Scene("ship", width=3000, height=2400, count=0, planted=(large,))
    made, cut = make(scene, tmp_path), CUTS["512 overlapping by 102"]
    found = Found(made, tmp_path, rekognition_url, *cut)
    alone = Found(made, tmp_path, rekognition_url, *cut, "--overview-pass", "no")
    assert is_all_that_was_planted(found)
    [ship], [of_chips] = (one.written.labels(scene.file_name)[:1] for one in (found, alone))
    assert ship["properties"]["label"] == of_chips["properties"]["label"] == "Boat"
    assert ship["properties"]["chips"] == of_chips["properties"]["chips"] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_missed_and_nothing_is_extra_in_every_kind_of_file(kind, tmp_path, rekognition_url):
    assert is_all_that_was_planted(Found(make(KINDS[kind], tmp_path), tmp_path, rekognition_url))


@pytest.mark.parametrize("place", PLACES)
def test_found_objects_lie_where_they_were_planted_within_a_pixel(place, tmp_path, rekognition_url):
    found = Found(make(PLACES[place], tmp_path), tmp_path, rekognition_url)
    assert is_all_that_was_planted(found)
    by_box = {_key(label): label for label in found.written.labels(found.name)}
    for match in found.comparison.matched:
        label = by_box[_box_key(match.found)]
        truth = match.truth.box
        middle = ((truth.min_col + truth.max_col) / 2, (truth.min_row + truth.max_row) / 2)
        center = label["properties"]["center"]
        [pixel] = _pixels(found.made.scene, [(center["lon"], center["lat"])])
        assert np.hypot(*(pixel - middle)) <= 1
        corners = _pixels(found.made.scene, shapely.get_coordinates(shapely.geometry.shape(label["geometry"])))
        sides = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        assert np.abs(sides - (truth.min_col, truth.min_row, truth.max_col, truth.max_row)).max() <= 1.5


def test_shapes_at_the_antimeridian_are_split_there(tmp_path, rekognition_url):
    found = Found(make(PLACES["antimeridian"], tmp_path), tmp_path, rekognition_url)
    image = shapely.geometry.shape(found.written.image(found.name)["geometry"])
    assert image.geom_type == "MultiPolygon"
    assert sorted(round(part.bounds[0]) for part in image.geoms) == [-180, 180]
    labels = [shapely.geometry.shape(label["geometry"]) for label in found.written.labels(found.name)]
    assert all(part.bounds[2] - part.bounds[0] < 1 for shape in labels for part in shapely.get_parts(shape))
    assert any(shape.geom_type == "MultiPolygon" for shape in labels)


def test_the_truth_of_a_scene_is_another_way_to_the_same_places(tmp_path, rekognition_url):
    found = Found(make(PLACES["north_up"], tmp_path), tmp_path, rekognition_url)
    truth = json.loads(found.made.truth.read_bytes())["features"]
    planted = {tuple(one["properties"]["pixel_box"]): shapely.geometry.shape(one["geometry"]) for one in truth}
    by_box = {_key(label): shapely.geometry.shape(label["geometry"]) for label in found.written.labels(found.name)}
    for match in found.comparison.matched:
        box = match.truth.box
        there = planted[(box.min_col, box.min_row, box.max_col, box.max_row)]
        assert there.hausdorff_distance(by_box[_box_key(match.found)]) < 1.5 * 0.5 / 60_000  # 1.5 px, in degrees


def test_a_grey_scene_has_its_objects_and_no_planted_label(tmp_path, rekognition_url):
    scene = Scene("grey", bands=Bands.GREY, bits=16, seed=41, **SCENE, **UTM_33)
    found = Found(make(scene, tmp_path), tmp_path, rekognition_url)
    assert found.done.exit_code == 0
    assert not {label["properties"]["label"] for label in found.written.labels(found.name)} & set(PALETTE_HUES)
    chips = found.written.image(found.name)["properties"]["chips"]
    assert chips["sent"] == chips["total"] > 0


def test_chips_that_lie_in_a_nodata_border_are_blank_and_cost_nothing(tmp_path, rekognition_url):
    scene = Scene("border", nodata_border_px=400, max_object_px=60, count=20, width=1900, height=1500, seed=42)
    found = Found(make(scene, tmp_path), tmp_path, rekognition_url, "--chip-px", 256)
    assert (found.comparison.missed, found.comparison.extra) == ((), ())
    chips = found.written.image(found.name)["properties"]["chips"]
    assert chips["blank"] > 20
    assert chips["sent"] == chips["total"] - chips["blank"] == found.done.calls


def test_a_region_is_one_label_over_the_chips_that_show_it(tmp_path, rekognition_url):
    scene = Scene("car-park", labels=("Car",), count=60, max_object_px=30, width=1900, height=1500, seed=43, **UTM_33)
    found = Found(make(scene, tmp_path), tmp_path, rekognition_url)
    regions = [one for one in found.written.labels(found.name) if one["properties"]["label"] == "Parking Lot"]
    assert [one["properties"]["kind"] for one in regions] == ["region"]
    # all but the picture of the whole, whose regions count only where no chip has them
    assert regions[0]["properties"]["chips"] == found.done.summary["chips"]["total"] - 1
    assert regions[0]["properties"]["pixel_box"] == [0, 0, 1900, 1500]


def _key(label: dict) -> tuple[object, ...]:
    return label["properties"]["label"], *label["properties"]["pixel_box"]


def _box_key(one: LabelledBox) -> tuple[object, ...]:
    return one.label, one.box.min_col, one.box.min_row, one.box.max_col, one.box.max_row


def _pixels(scene: Scene, positions: object) -> np.ndarray:
    """Longitudes and latitudes to columns and rows, by pyproj and the inverse of the scene's matrix."""
    lons, lats = np.asarray(positions, float).T
    x, y = _from_lonlat(scene.crs).transform(lons, lats)
    a, b, c, d, e, f = scene.transform
    return np.linalg.solve(np.array([[a, b], [d, e]]), np.array([x - c, y - f])).T


@cache
def _from_lonlat(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
