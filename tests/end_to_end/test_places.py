"""Planted objects come out at their longitude and latitude, whatever it is that says where the image is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Geod, Transformer
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from local.scenes import Layout, Scene, make
from local.truth import compare
from tests.end_to_end.user import Written, imagery_backfill

WIDTH, HEIGHT = 1300, 1000
GSD_M = 0.5
GEOD = Geod(ellps="WGS84")
Camera = Callable[[Any, Any], tuple[Any, Any]]
"""Columns and rows to longitudes and latitudes, by a formula of its own."""


def on_map(crs: str, x: float, y: float, *, angle_deg: float = 0.0) -> tuple[Affine, Camera]:
    """An affine image around a place of a map."""
    transform = Affine.translation(x, y) @ Affine.rotation(angle_deg) @ Affine.scale(GSD_M, -GSD_M)
    transform @= Affine.translation(-WIDTH / 2, -HEIGHT / 2)
    to_lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return transform, lambda cols, rows: to_lonlat.transform(*(transform @ (cols, rows)))


PLANE = Transformer.from_crs("+proj=stere +lat_0=45 +lon_0=10 +ellps=WGS84", "EPSG:4326", always_xy=True)


def bent(cols: Any, rows: Any) -> tuple[Any, Any]:
    """A scan that bends like a parabola, which a polynomial of the second order is."""
    x, y = (cols - WIDTH / 2) * GSD_M, (HEIGHT / 2 - rows) * GSD_M
    return PLANE.transform(x + y**2 / 5e3, y + x * y / 1e4)


def waving(cols: Any, rows: Any) -> tuple[Any, Any]:
    """A scan from a plane in gusts, which no polynomial meets."""
    x, y = (cols - WIDTH / 2) * GSD_M, (HEIGHT / 2 - rows) * GSD_M
    return PLANE.transform(x + 8 * np.sin(y / 90), y + 8 * np.cos(x / 110))


def oblique(cols: Any, rows: Any) -> tuple[Any, Any]:
    """A plane seen from the side."""
    x, y, depth = (cols - WIDTH / 2) * GSD_M, (HEIGHT / 2 - rows) * GSD_M, 1 + rows / 2000 + cols / 9000
    return PLANE.transform(x / depth, y / depth)


def points(camera: Camera, *, cols: int, rows: int) -> list[GroundControlPoint]:
    grid = [(c, r) for c in np.linspace(0, WIDTH, cols) for r in np.linspace(0, HEIGHT, rows)]
    return [GroundControlPoint(row=r, col=c, x=x, y=y) for c, r in grid for x, y in [camera(c, r)]]


LON_SCALE, LAT_SCALE, OFF_NADIR = 0.008, 0.005, 0.4


def polynomials() -> RPC:
    """A camera whose image is an affine one of the ground, at the height that it is centred on."""
    rest = [0.0] * 16
    return RPC(
        height_off=120, height_scale=300, lat_off=45, lat_scale=LAT_SCALE, long_off=10, long_scale=LON_SCALE,
        line_off=HEIGHT / 2, line_scale=HEIGHT / 2, samp_off=WIDTH / 2, samp_scale=WIDTH / 2,
        line_num_coeff=[0, 0.1, -1, OFF_NADIR, *rest], line_den_coeff=[1, 0, 0, 0, *rest],
        samp_num_coeff=[0, 1, 0.2, OFF_NADIR, *rest], samp_den_coeff=[1, 0, 0, 0, *rest], err_bias=None, err_rand=None,
    )  # fmt: skip


def from_orbit(cols: Any, rows: Any) -> tuple[Any, Any]:
    """The same, solved for the ground; samples and lines count the middles of pixels."""
    sample, line = (cols - 0.5 - WIDTH / 2) / (WIDTH / 2), (rows - 0.5 - HEIGHT / 2) / (HEIGHT / 2)
    # sample = lon + 0.2 lat, line = 0.1 lon - lat
    lat = (0.1 * sample - line) / 1.02
    return 10 + LON_SCALE * (sample - 0.2 * lat), 45 + LAT_SCALE * lat


@dataclass(frozen=True)
class Place:
    """How a scene is placed, and where it then is."""

    camera: Camera
    by: str
    put: Callable[[Path], None]
    """Says so, in the image or beside it."""
    layout: Layout = Layout.TILED


def in_header(**facts: Any) -> Callable[[Path], None]:
    def put(image: Path) -> None:
        with rasterio.open(image, "r+") as file:
            if "gcps" in facts:
                file.gcps = (facts["gcps"], "EPSG:4326")
            elif "rpcs" in facts:
                file.rpcs = facts["rpcs"]
            else:
                file.crs, file.transform = facts["crs"], facts["transform"]

    return put


def as_world_file(transform: Affine, crs: str) -> Callable[[Path], None]:
    def put(image: Path) -> None:
        x, y = transform @ (0.5, 0.5)
        numbers = (transform.a, transform.d, transform.b, transform.e, x, y)
        image.with_suffix(".pgw").write_text("\n".join(map(repr, numbers)))
        image.with_name(image.name + ".aux.xml").write_text(f"<PAMDataset><SRS>{crs}</SRS></PAMDataset>")

    return put


def as_stac_item(transform: Affine, crs: str) -> Callable[[Path], None]:
    def put(image: Path) -> None:
        properties = {"proj:code": crs, "proj:transform": list(transform), "proj:shape": [HEIGHT, WIDTH]}
        item = {"type": "Feature", "geometry": None, "properties": properties, "assets": {}}
        image.with_suffix(".json").write_text(json.dumps(item))

    return put


UTM, UTM_CAMERA = on_map("EPSG:32633", 388_000, 5_822_000, angle_deg=25)
SOUTH_POLE, SOUTH_POLE_CAMERA = on_map("EPSG:3031", 40, -60)
DATELINE, DATELINE_CAMERA = on_map("EPSG:32660", 705_975, 5_765_550)

PLACES = {
    "affine, turned": Place(UTM_CAMERA, "affine", in_header(crs="EPSG:32633", transform=UTM)),
    "a pole inside": Place(SOUTH_POLE_CAMERA, "affine", in_header(crs="EPSG:3031", transform=SOUTH_POLE)),
    "antimeridian": Place(DATELINE_CAMERA, "affine", in_header(crs="EPSG:32660", transform=DATELINE)),
    "control points, bent": Place(bent, "gcps", in_header(gcps=points(bent, cols=4, rows=4))),
    "control points, waving": Place(waving, "gcps_thin_plate", in_header(gcps=points(waving, cols=14, rows=12))),
    "four corners": Place(oblique, "gcps_projective", in_header(gcps=points(oblique, cols=2, rows=2))),
    "rational polynomials": Place(from_orbit, "rpcs", in_header(rpcs=polynomials())),
    "world file": Place(UTM_CAMERA, "affine", as_world_file(UTM, "EPSG:32633"), Layout.PNG),
    "STAC item": Place(UTM_CAMERA, "affine", as_stac_item(UTM, "EPSG:32633"), Layout.JPEG),
}


@pytest.mark.parametrize("case", PLACES)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_planted_objects_are_where_they_were_planted_within_a_pixel(case, tmp_path, rekognition_url):
    place = PLACES[case]
    made = make(Scene("there", width=WIDTH, height=HEIGHT, count=40, layout=place.layout, seed=51), tmp_path)
    place.put(made.image)
    out, detector = tmp_path / "found.geojson", f"rekognition@{rekognition_url}"
    assert imagery_backfill("run", made.image, "--to", out, "--detector", detector).exit_code == 0
    written = Written.read(out)
    described = written.image(made.image.name)["properties"]
    assert described["georeference"] == place.by
    compared = compare(written.objects(made.image.name), made.objects)
    assert (compared.missed, compared.extra, len(compared.matched)) == ((), (), 40)
    by_box = {tuple(one["properties"]["pixel_box"]): one for one in written.labels(made.image.name)}
    for match in compared.matched:
        box, truth = match.found.box, match.truth.box
        label = by_box[(box.min_col, box.min_row, box.max_col, box.max_row)]
        lon, lat = place.camera((truth.min_col + truth.max_col) / 2, (truth.min_row + truth.max_row) / 2)
        center = label["properties"]["center"]
        _, _, off_m = GEOD.inv(lon, lat, center["lon"], center["lat"])
        assert off_m <= described["gsd_m"]
