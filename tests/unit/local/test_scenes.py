"""Scenes hold what their truth says, in every layout; their truth lies where it should."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
import rasterio.warp
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batch_job.values.spaces import PixelBox
from local.rekognition.picture import decode
from local.rekognition.sight import look
from local.scenes import (
    Bands,
    Compression,
    DemoSize,
    Form,
    Layout,
    Scene,
    SceneError,
    Shape,
    Spacing,
    demo_scenes,
    make,
)
from local.scenes.colours import SHADES_OF, SIXTEEN_BIT_OFFSET, SIXTEEN_BIT_SCALE
from local.scenes.placing import place
from local.scenes.shapes import box_of, draw, outline
from local.truth import LabelledBox, compare, read_boxes

unhurried = settings(deadline=None)
"""Machines are shared: how long an example takes says nothing."""

UTM = {"crs": "EPSG:32633", "transform": (0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0)}


def _makeable() -> Iterator[Scene]:
    for layout, bands, bits, compression in product(Layout, Bands, (8, 16), Compression):
        if not layout.is_tiff and compression is not Compression.NONE:
            continue
        try:
            scene = Scene(
                f"{layout}-{bands}-{bits}-{compression}",
                width=420,
                height=700,
                count=8,
                min_object_px=30,
                max_object_px=90,
                layout=layout,
                bands=bands,
                bits=bits,
                compression=compression,
                seed=5,
            )
        except SceneError:
            continue
        yield scene


MAKEABLE = list(_makeable())


def open_quietly(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


def rgb_of(path: Path) -> np.ndarray:
    """Read as 8-bit (rows, columns, 3), undoing what the scene did to the samples."""
    with open_quietly(path) as image:
        samples = image.read()
        if image.colorinterp[0].name == "palette":
            table = np.array([image.colormap(1)[index] for index in range(256)], dtype=np.uint8)
            return table[samples[0]][..., :3]
    if samples.dtype == np.uint16:
        samples = ((samples.astype(int) - SIXTEEN_BIT_OFFSET) // SIXTEEN_BIT_SCALE).clip(0, 255).astype(np.uint8)
    colours = samples[:3] if len(samples) >= 3 else samples[:1].repeat(3, axis=0)
    return np.ascontiguousarray(colours.transpose(1, 2, 0))


def seen_in(path: Path) -> list[LabelledBox]:
    return [LabelledBox(seen.label, seen.box) for seen in look(rgb_of(path))]


@pytest.mark.parametrize("scene", MAKEABLE, ids=lambda scene: scene.name)
def test_every_layout_holds_its_objects_where_the_truth_says(scene: Scene, tmp_path: Path) -> None:
    made = make(scene, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([scene.file_name, scene.truth_name])
    with open_quietly(made.image) as image:
        assert (image.width, image.height, image.dtypes[0]) == (420, 700, f"uint{scene.bits}")
        assert image.driver == {Layout.JPEG: "JPEG", Layout.PNG: "PNG"}.get(scene.layout, "GTiff")
    if scene.bands is Bands.GREY:
        assert made.objects == read_boxes(made.truth) == ()
        assert seen_in(made.image) == []
        return
    assert len(made.objects) == 8
    assert read_boxes(made.truth) == made.objects
    comparison = compare(seen_in(made.image), made.objects, min_iou=0.85)
    assert (comparison.missed, comparison.extra) == ((), ())
    picture = rgb_of(made.image)
    for one in made.objects:
        row, col = int(one.box.min_row + one.box.height / 2), int(one.box.min_col + one.box.width / 2)
        off = [np.abs(picture[row, col].astype(int) - shade).max() for shade in SHADES_OF[one.label]]
        assert min(off) <= 12  # of 255, by JPEG


def test_layouts_are_what_they_are_called(tmp_path: Path) -> None:
    scene = Scene("layout", width=1100, height=600, count=2, **UTM)
    with rasterio.open(make(replace(scene, name="c", layout=Layout.COG), tmp_path).image) as image:
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.overviews(1)
    with rasterio.open(make(replace(scene, name="s", layout=Layout.STRIPS), tmp_path).image) as image:
        assert image.block_shapes[0] == (16, 1100)
    with rasterio.open(make(replace(scene, name="t", compression=Compression.JPEG), tmp_path).image) as image:
        assert (image.block_shapes[0], image.compression.name, image.photometric.name) == ((512, 512), "jpeg", "ycbcr")
    with Image.open(make(Scene("j", layout=Layout.JPEG, width=300, height=300, count=0), tmp_path).image) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize(
    ("layout", "bands", "bits", "compression"),
    [
        (Layout.TILED, Bands.RGB, 8, Compression.DEFLATE),
        (Layout.STRIPS, Bands.RGBN, 16, Compression.LZW),
        (Layout.COG, Bands.RGB, 8, Compression.JPEG),
        (Layout.COG, Bands.PALETTE, 8, Compression.DEFLATE),
        (Layout.PNG, Bands.RGBN, 8, Compression.NONE),
    ],
)
def test_a_nodata_border_is_invalid_and_nothing_else_is(
    tmp_path: Path, layout: Layout, bands: Bands, bits: int, compression: Compression
) -> None:
    scene = Scene(
        "border", width=640, height=530, count=5, max_object_px=60, nodata_border_px=37,
        layout=layout, bands=bands, bits=bits, compression=compression,
    )  # fmt: skip
    with open_quietly(make(scene, tmp_path).image) as image:
        valid = image.dataset_mask() > 0
    inside = np.zeros((530, 640), dtype=bool)
    inside[37:-37, 37:-37] = True
    assert np.array_equal(valid, inside)


@pytest.mark.parametrize(
    "transform",
    [(0.5, 0.1, 388_000.0, 0.1, -0.5, 5_822_000.0), (0.5, 0.0, 388_000.0, 0.0, 0.5, 5_821_000.0)],
    ids=["rotated", "south up"],
)
def test_a_georeference_is_written_and_the_truth_lies_by_it(transform: tuple[float, ...], tmp_path: Path) -> None:
    made = make(Scene("placed", count=20, width=900, height=700, crs="EPSG:32633", transform=transform), tmp_path)
    features = orjson.loads(made.truth.read_bytes())["features"]
    with rasterio.open(made.image) as image:
        assert tuple(image.transform)[:6] == transform
        for feature in features:
            box = PixelBox(*feature["properties"]["pixel_box"])
            corners = [(box.min_col, box.max_row), (box.max_col, box.max_row), (box.max_col, box.min_row)]
            xs, ys = zip(*(image.transform @ corner for corner in corners), strict=True)
            lons, lats = rasterio.warp.transform(image.crs, "EPSG:4326", xs, ys)
            ring = feature["geometry"]["coordinates"][0]
            for lon, lat in zip(lons, lats, strict=True):
                assert min(abs(lon - x) + abs(lat - y) for x, y in ring) < 1e-9
            assert shapely.geometry.shape(feature["geometry"]).exterior.is_ccw


def test_the_truth_is_split_at_the_antimeridian(tmp_path: Path) -> None:
    scene = next(scene for scene in demo_scenes() if scene.name == "dateline")
    car = Shape("Car", Form.RECTANGLE, 1000, 1000, 200, 200)
    made = make(replace(scene, planted=(car,), count=10), tmp_path)
    shapes = [shapely.geometry.shape(f["geometry"]) for f in orjson.loads(made.truth.read_bytes())["features"]]
    assert any(shape.geom_type == "MultiPolygon" for shape in shapes)
    assert {shape.representative_point().x > 0 for shape in shapes} == {True, False}
    assert all(shape.is_valid and shape.area < 1e-4 for shape in shapes)


def test_without_a_crs_the_truth_has_no_geometry(tmp_path: Path) -> None:
    made = make(Scene("plain", width=300, height=300, count=3, max_object_px=50, layout=Layout.PNG), tmp_path)
    assert {str(f["geometry"]) for f in orjson.loads(made.truth.read_bytes())["features"]} == {"None"}


def test_equal_scenes_make_equal_files(tmp_path: Path) -> None:
    scene = Scene("same", width=400, height=400, count=9, max_object_px=80)
    first, second, other = (
        make(replace(scene, seed=seed), tmp_path / folder) for folder, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.image.read_bytes() == second.image.read_bytes()
    assert first.truth.read_bytes() == second.truth.read_bytes()
    assert first.image.read_bytes() != other.image.read_bytes()


shapes = st.builds(
    Shape,
    label=st.just("Car"),
    form=st.sampled_from(Form),
    col=st.floats(200, 300),
    row=st.floats(200, 300),
    length=st.floats(10, 150),
    width=st.floats(10, 150),
    angle_deg=st.floats(-400, 400),
)


@unhurried
@given(shapes)
def test_an_objects_pixels_are_those_whose_centres_lie_in_its_outline(shape: Shape) -> None:
    drawn = draw(shape)
    polygon = shapely.Polygon(outline(shape))
    window = drawn.window
    cols, rows = np.meshgrid(
        window.col_off + np.arange(window.width) + 0.5, window.row_off + np.arange(window.height) + 0.5
    )
    inside = shapely.contains_xy(polygon, cols, rows)
    # an ellipse's outline has 32 corners, so it lies up to half a percent within
    near = (
        shapely.distance(polygon.exterior, shapely.points(cols, rows)) < max(shape.length, shape.width) * 0.005 + 0.01
    )
    assert np.array_equal(drawn.mask | near, inside | near)
    edges = (drawn.mask[0], drawn.mask[-1], drawn.mask[:, 0], drawn.mask[:, -1])
    assert all(edge.any() for edge in edges)


@unhurried
@given(shapes)
def test_a_box_lies_within_a_pixel_of_the_outline_but_for_sharp_corners(shape: Shape) -> None:
    box, (half_cols, half_rows) = box_of(draw(shape).window), shape.half_extent
    assert shape.col - half_cols - 1 <= box.min_col
    assert box.max_col <= shape.col + half_cols + 1
    assert shape.row - half_rows - 1 <= box.min_row
    assert box.max_row <= shape.row + half_rows + 1
    assert shapely.box(*shapely.Polygon(outline(shape)).bounds).area <= 4 * (half_cols + 0.01) * (half_rows + 0.01)


def gap_between(one: PixelBox, other: PixelBox) -> float:
    cols = max(one.min_col - other.max_col, other.min_col - one.max_col)
    rows = max(one.min_row - other.max_row, other.min_row - one.max_row)
    return max(cols, rows)


@pytest.mark.parametrize("spacing", Spacing)
def test_gaps_are_kept_as_the_spacing_says(spacing: Spacing) -> None:
    placed = place(Scene("gaps", width=900, height=900, count=160, max_object_px=110, spacing=spacing, seed=3))
    pairs = list(combinations(placed, 2))
    if spacing is Spacing.APART:
        assert all(gap_between(one.box, other.box) >= 3 for one, other in pairs)
    if spacing is Spacing.BY_LABEL:
        alike = [(one, other) for one, other in pairs if one.shape.label == other.shape.label]
        assert all(gap_between(one.box, other.box) >= 3 for one, other in alike)
    if spacing is not Spacing.APART:
        assert any(gap_between(one.box, other.box) < 0 for one, other in pairs)
    ground = np.zeros((900, 900), dtype=bool)
    for one in placed:
        drawn = draw(one.shape)
        at = np.s_[
            drawn.window.row_off : drawn.window.row_off + drawn.window.height,
            drawn.window.col_off : drawn.window.col_off + drawn.window.width,
        ]
        assert not (ground[at] & drawn.mask).any()
        ground[at] |= drawn.mask


def test_objects_have_the_size_asked_for_and_lie_in_the_picture() -> None:
    placed = place(Scene("sizes", width=3000, height=2000, count=300, min_object_px=20, max_object_px=150))
    for one in placed:
        assert 18 <= max(one.box.width, one.box.height) <= 151
        assert one.box.min_col >= 0
        assert one.box.max_col <= 3000
        assert one.box.min_row >= 0
        assert one.box.max_row <= 2000


def test_large_objects_fit_too() -> None:
    (one,) = place(Scene("large", width=2000, height=1700, count=1, min_object_px=1500, max_object_px=1500))
    assert 1490 <= max(one.box.width, one.box.height) <= 1501


def test_too_many_objects_are_no_scene() -> None:
    with pytest.raises(SceneError, match="do not fit"):
        place(Scene("full", width=300, height=300, count=500, max_object_px=60))


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 12},
        {"count": -1},
        {"gap_px": 2},
        {"min_object_px": 11},
        {"max_object_px": 1501, "width": 4000, "height": 4000},
        {"max_object_px": 10},
        {"width": 150},
        {"nodata_border_px": 1000},
        {"slenderest": 0},
        {"crs": "EPSG:4326"},
        {"layout": Layout.JPEG, **UTM},
        {"layout": Layout.JPEG, "bits": 16},
        {"layout": Layout.JPEG, "bands": Bands.RGBN},
        {"layout": Layout.JPEG, "nodata_border_px": 10},
        {"compression": Compression.JPEG, "bands": Bands.PALETTE},
        {"bits": 16, "bands": Bands.PALETTE},
    ],
    ids=str,
)
def test_scenes_that_cannot_be_are_refused_at_birth(wrong: dict[str, Any]) -> None:
    with pytest.raises(SceneError):
        Scene("wrong", **wrong)


def test_an_object_needs_a_label_of_the_palette_and_an_inside() -> None:
    with pytest.raises(SceneError, match="Unicorn"):
        Shape("Unicorn", Form.ELLIPSE, 10, 10, 5, 5)
    with pytest.raises(SceneError):
        Shape("Car", Form.ELLIPSE, 10, 10, 5, 0)
    with pytest.raises(SceneError):
        draw(Shape("Car", Form.ELLIPSE, 2, 10, 50, 50))


@pytest.mark.parametrize("size", DemoSize)
def test_the_demos_scenes_can_be_placed_and_are_named_apart(size: DemoSize) -> None:
    scenes = demo_scenes(size)
    assert len({scene.name for scene in scenes}) == len(scenes)
    assert all(scene.max_object_px <= 204 for scene in scenes)
    for scene in scenes[1:]:
        assert len(place(scene)) == scene.count


def test_the_short_demo_is_found_by_the_stand_in_through_its_own_jpegs(tmp_path: Path) -> None:
    for scene in demo_scenes(DemoSize.SHORT):
        made = make(scene, tmp_path)
        if scene.layout is Layout.JPEG:
            found = [LabelledBox(seen.label, seen.box) for seen in look(decode(made.image.read_bytes()))]
        else:
            found = seen_in(made.image)
        comparison = compare(found, made.objects)
        assert (len(comparison.matched), comparison.missed, comparison.extra) == (scene.count, (), ())


GROWTH = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from local.scenes import Compression, Layout, Scene, make

scene = Scene("tall", width=3000, height=1000, count=20, layout=Layout.STRIPS, compression=Compression.NONE)
peaks = []
for height in (1000, 24_000):
    make(replace(scene, height=height), Path(sys.argv[1]))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print((peaks[1] - peaks[0]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", GROWTH, str(tmp_path)], check=True, capture_output=True, text=True)
    assert (tmp_path / "tall.tif").stat().st_size > 200e6
    assert int(done.stdout) < 100  # MB
