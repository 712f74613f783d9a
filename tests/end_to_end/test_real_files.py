"""Real images: each lies where rasterio and pyproj say that it lies."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import GCPTransformer
from shapely import affinity

from local.recipes import PROJECT
from tests.end_to_end.user import Written, ended, imagery_backfill, start

FOLDERS = (PROJECT / "examples", PROJECT.parent / "shared" / "imagery")
FILES = [path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.iterdir())]
IMAGES = [path for path in FILES if path.suffix in (".tif", ".jpg")]
STEPS = 21
"""Points along each side: sides of an image are curves on the globe."""

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def outline(path: Path) -> shapely.Polygon | None:
    """An image's outline on the ground, longitudes 0–360; None where it has no place."""
    with rasterio.open(path) as image:
        gcps, gcps_crs = image.gcps
        crs = image.crs or gcps_crs
        if crs is None or (image.transform.is_identity and not gcps):
            return None
        along, ends = np.linspace(0, 1, STEPS), np.zeros(STEPS)
        cols = np.concatenate([along, ends + 1, 1 - along, ends]) * image.width
        rows = np.concatenate([ends, along, ends + 1, 1 - along]) * image.height
        if image.crs is None:
            with GCPTransformer(gcps) as of_gcps:
                x, y = of_gcps.xy(rows, cols, offset="ul")
        else:
            x, y = rasterio.transform.xy(image.transform, rows, cols, offset="ul")
    lons, lats = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return shapely.make_valid(shapely.Polygon(np.column_stack([np.asarray(lons) % 360, lats])))


def shifted(geometry: dict) -> shapely.Geometry:
    """A footprint with longitudes 0–360."""
    parts = shapely.get_parts(shapely.geometry.shape(geometry))
    # a part that ends at the antimeridian does so at +180 or -180, both of which are 180 there
    turned = [affinity.translate(part, 360) if part.bounds[0] < 0 else part for part in parts]
    return shapely.union_all(turned)


@pytest.fixture(scope="module")
def written(tmp_path_factory, rekognition_url) -> Written:
    path = tmp_path_factory.mktemp("real") / "found.geojson"
    done = imagery_backfill("run", *IMAGES, "--to", path, "--detector", f"rekognition@{rekognition_url}", "--json")
    assert (done.exit_code, done.images) == (0, {"indexed": len(IMAGES)})
    return Written.read(path)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_a_real_image_lies_where_rasterio_and_pyproj_say(written, path):
    geometry, expected = written.image(path.name)["geometry"], outline(path)
    if expected is None:
        assert geometry is None
        return
    found = shifted(geometry)
    shared = found.intersection(expected).area / found.union(expected).area
    assert shared > 0.999
    assert shapely.geometry.shape(geometry).is_valid


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_what_is_found_in_a_real_image_lies_within_it(written, path):
    image = written.image(path.name)["geometry"]
    for label in written.labels(path.name):
        assert (label["geometry"] is None) == (image is None)
        if image is not None:
            found = shifted(label["geometry"])
            assert found.difference(shifted(image)).area <= 1e-3 * found.area


def test_local_alone_starts_and_stops_all_that_a_run_into_a_file_needs(tmp_path):
    """The command as the README has it, in a folder of its own."""
    image = PROJECT / "examples" / "nasa.jpg"
    path = tmp_path / "found.geojson"
    process = start("run", image, "--to", path, "--local", "--json", env={"PYTHONPATH": str(PROJECT)}, cwd=tmp_path)
    done = ended(process)
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    assert "starting Rekognition stand-in" in done.stderr
    assert Written.read(path).image("nasa.jpg")["properties"]["status"] == "indexed"
    assert not [one for one in (tmp_path / ".local").rglob("*") if one.suffix == ".json"], "a server's record was left"
