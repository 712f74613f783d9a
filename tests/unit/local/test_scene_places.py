"""Scenes lie where their files say, as rasterio and GDAL read them."""

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from rasterio.transform import AffineTransformer, GCPTransformer, RPCTransformer

from batch_job.values.spaces import PixelBox
from local.offsets import largest_off_px, off_ground_px
from local.scenes import PLACES, Layout, Said, Scene, SceneError, Seen, camera_of, make
from local.scenes.headers import HEIGHT_M
from local.truth import LabelledBox, Match, read_boxes

IN_FILES = [name for name, scene in PLACES.items() if scene.said is Said.IN_FILE]


def by_gdal(image: rasterio.DatasetReader, cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if image.rpcs:
        with RPCTransformer(image.rpcs, RPC_HEIGHT=HEIGHT_M) as transformer:
            return tuple(map(np.asarray, transformer.xy(rows, cols, zs=np.zeros_like(rows), offset="ul")))
    points, crs = image.gcps
    if points:
        with GCPTransformer(points, tps=len(points) > 16) as transformer:
            xs, ys = transformer.xy(rows, cols, offset="ul")
    else:
        xs, ys = AffineTransformer(image.transform).xy(rows, cols, offset="ul")
        crs = image.crs
    return tuple(map(np.asarray, rasterio.warp.transform(crs, "EPSG:4326", xs, ys)))


@pytest.mark.parametrize("name", [name for name in IN_FILES if PLACES[name].seen is not Seen.OBLIQUE])
def test_gdal_reads_from_the_file_where_the_scene_is(name, tmp_path):
    scene = PLACES[name]
    image = make(scene, tmp_path).image
    cols, rows = (each.ravel().astype(float) for each in np.meshgrid(range(50, 1300, 240), range(50, 1000, 180)))
    with rasterio.open(image) as file:
        there = by_gdal(file, cols, rows)
    lons, lats = camera_of(scene)(cols, rows)
    apart_m = off_m(lons, lats, *there)
    assert apart_m.max() < 0.3 * 0.5  # the spline between its points


def off_m(lons: np.ndarray, lats: np.ndarray, other_lons: np.ndarray, other_lats: np.ndarray) -> np.ndarray:
    """By chords of a sphere."""
    one, other = (
        np.stack([np.cos(np.radians(y)) * np.cos(np.radians(x)), np.cos(np.radians(y)) * np.sin(np.radians(x)),
                  np.sin(np.radians(y))]) for x, y in ((lons, lats), (other_lons, other_lats))
    )  # fmt: skip
    return np.linalg.norm(one - other, axis=0) * 6.37e6


def test_the_truth_of_every_scene_has_a_valid_shape_for_each_object(tmp_path):
    for name, scene in PLACES.items():
        made = make(scene, tmp_path / name)
        assert read_boxes(made.truth) == made.objects
        collection = shapely.from_geojson(made.truth.read_text())
        assert len(collection.geoms) == 40
        for shape in collection.geoms:
            assert shape.is_valid
            assert all(part.bounds[2] - part.bounds[0] < 1 or part.bounds[1] < -89 for part in shapely.get_parts(shape))


@pytest.mark.parametrize(
    "wrong",
    [
        {"seen": Seen.BENT, "crs": "EPSG:4326", "transform": (1, 0, 0, 0, -1, 0)},
        {"seen": Seen.FROM_ORBIT, "layout": Layout.PNG},
        {"said": Said.WORLD_FILE},
    ],
)
def test_a_scene_is_placed_in_one_way(wrong):
    with pytest.raises(SceneError):
        Scene("no", **wrong)


def test_a_find_is_as_far_off_in_the_picture_as_on_the_ground():
    scene = PLACES["turned"]
    truth = LabelledBox("Car", PixelBox(100, 200, 140, 260))
    lon, lat = camera_of(scene)(123.0, 234.0)
    match = Match(truth, LabelledBox("Car", PixelBox(103, 204, 143, 264), (lon, lat)), iou=0.8)
    assert largest_off_px([match]) == 5
    assert off_ground_px([match], camera_of(scene)) == pytest.approx([5], rel=1e-3)


def test_what_was_found_without_a_place_is_infinitely_far_off():
    car = LabelledBox("Car", PixelBox(100, 200, 140, 260))
    assert off_ground_px([Match(car, car, iou=1)], camera_of(PLACES["turned"])) == [float("inf")]
    assert (largest_off_px([]), off_ground_px([], camera_of(PLACES["turned"]))) == (0, [])
