import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint as GdalPoint
from rasterio.rpc import RPC

from batch_job.place.crs import find_earth_crs
from batch_job.place.footprints import place_image
from batch_job.place.side_files.beside import place_by_side_files
from batch_job.values.image import ImageRef, SideFile
from batch_job.values.place import Footprint, Georeference, Georeferencing, LonLat
from tests.unit.place.rasters import NoGround, assert_sound, raster

IMAGE = ImageRef("imagery", "north/scene.jpg")
WORLD = Affine.translation(500_000, 5_000_000) @ Affine.rotation(20) @ Affine.scale(0.5, -0.5)
PLAIN = {"driver": "PNG", "width": 40, "height": 30, "count": 1, "dtype": "uint8"}
CORNERS = [[10.0, 45.0], [10.1, 45.0], [10.1, 45.1], [10.0, 45.1], [10.0, 45.0]]


class Shelf:
    """Side files by their endings, and a note of each that was read."""

    def __init__(self, **bodies: bytes) -> None:
        self.bodies, self.asked = bodies, []

    def read(self, side: SideFile) -> bytes:
        self.asked.append(side.key.rpartition(".")[2])
        return self.bodies[self.asked[-1]]

    @property
    def files(self) -> list[SideFile]:
        keys = {"xml": "north/scene.jpg.aux.xml", "msk": "north/scene.jpg.msk"}
        return sorted(SideFile(keys.get(end, f"north/scene.{end}"), "1") for end in self.bodies)


def beside(said: Georeference | None = None, **bodies: bytes) -> Georeference:
    shelf = Shelf(**bodies)
    return place_by_side_files(IMAGE, raster(said or Georeference(), width=40, height=30), shelf.files, shelf.read)


def written(tmp_path: Path, **place: Any) -> bytes:
    """What GDAL writes beside a format that holds no place itself."""
    with rasterio.open(tmp_path / "scene.png", "w", **PLAIN, **place) as file:
        file.write(np.zeros((1, 30, 40), np.uint8))
    return (tmp_path / "scene.png.aux.xml").read_bytes()


def item(**changes: Any) -> bytes:
    properties = {"proj:code": "EPSG:32633", "proj:transform": list(WORLD), "proj:shape": [30, 40]}
    geometry = {"type": "Polygon", "coordinates": [CORNERS]}
    facts = {"type": "Feature", "geometry": geometry, "properties": properties, "assets": {}}
    return json.dumps({**facts, **changes}).encode()


def world_file(transform: Affine) -> bytes:
    x, y = transform @ (0.5, 0.5)
    return "\r\n".join(map(repr, (transform.a, transform.d, transform.b, transform.e, x, y))).encode()


def test_a_world_file_is_read_as_gdal_reads_it(tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "scene.png")
    (tmp_path / "scene.wld").write_bytes(world_file(WORLD))
    with rasterio.open(tmp_path / "scene.png") as theirs:
        expected = tuple(theirs.transform)[:6]
    place = beside(Georeference(crs="EPSG:32633"), wld=world_file(WORLD))
    np.testing.assert_allclose(place.transform, expected, rtol=0, atol=1e-9)
    assert (place.by, place.crs, place.origin) == (Georeferencing.AFFINE, "EPSG:32633", "north/scene.wld")


def test_gdals_metadata_hold_an_affine_place(tmp_path: Path) -> None:
    place = beside(xml=written(tmp_path, crs="EPSG:4326", transform=Affine(0.1, 0, 10, 0, -0.1, 50)))
    assert (place.by, place.origin) == (Georeferencing.AFFINE, "north/scene.jpg.aux.xml")
    assert place.transform == pytest.approx((0.1, 0, 10, 0, -0.1, 50))
    assert find_earth_crs(place.crs).name == "EPSG:4326"


def test_gdals_metadata_hold_control_points(tmp_path: Path) -> None:
    points = [GdalPoint(row=r, col=c, x=10 + c, y=50 - r, z=7) for c in (0, 40) for r in (0, 30)]
    place = beside(xml=written(tmp_path, crs="EPSG:4326", gcps=points))
    assert [(p.col, p.row, p.x, p.y, p.z) for p in place.gcps] == [(p.col, p.row, p.x, p.y, p.z) for p in points]
    assert place.by is Georeferencing.GCPS
    assert find_earth_crs(place.gcps_crs).name == "EPSG:4326"


def test_gdals_metadata_hold_rational_polynomials(tmp_path: Path) -> None:
    ones = [1.0] + [0.0] * 19
    rpcs = RPC(10, 500, 45, 0.1, ones, ones, 15, 15, 7, 0.1, ones, ones, 20, 20, None, None)
    place = beside(xml=written(tmp_path, rpcs=rpcs))
    assert place.by is Georeferencing.RPCS
    assert float(dict(place.rpcs)["LAT_OFF"]) == 45
    assert len(dict(place.rpcs)["LINE_NUM_COEFF"].split()) == 20


def test_a_stac_item_holds_transform_and_crs() -> None:
    place = beside(json=item())
    assert (place.by, place.crs, place.transform) == (Georeferencing.AFFINE, "EPSG:32633", tuple(WORLD)[:6])
    assert place.origin == "north/scene.json"


@pytest.mark.parametrize("said", [{"proj:epsg": 32633}, {"proj:wkt2": "WKT"}, {"proj:projjson": {"id": 1}}])
def test_every_version_of_the_projection_extension_is_understood(said: dict[str, Any]) -> None:
    properties = {"proj:transform": list(WORLD)[:6], **said}
    assert beside(json=item(properties=properties)).crs in ("EPSG:32633", "WKT", '{"id": 1}')


def test_the_asset_that_is_the_image_counts_before_the_item() -> None:
    mine = {"href": "https://host/north/scene.jpg?signed=1", "proj:transform": [2, 0, 0, 0, -2, 0]}
    other = {"href": "./other.jpg", "proj:transform": [9, 0, 0, 0, -9, 0]}
    place = beside(json=item(assets={"other": other, "visual": mine}))
    assert (place.transform, place.crs) == ((2, 0, 0, 0, -2, 0), "EPSG:32633")


def test_a_transform_of_a_picture_of_another_size_is_not_taken() -> None:
    properties = {"proj:code": "EPSG:32633", "proj:transform": list(WORLD), "proj:shape": [300, 400]}
    assert beside(json=item(properties=properties)).by is Georeferencing.STAC


def test_an_outline_places_the_image_and_nothing_in_it() -> None:
    clockwise = {"type": "Polygon", "coordinates": [[[*p, 300.0] for p in reversed(CORNERS)]]}
    said = beside(json=item(properties={}, geometry=clockwise))
    place = place_image(raster(said), NoGround())
    assert (place.georeferencing, place.origin, place.gsd_m) == (Georeferencing.STAC, "north/scene.json", None)
    assert place.note == "only an outline is known"
    assert place.center == LonLat(lon=10.05, lat=45.05)
    assert_sound(place.footprint)


@pytest.mark.parametrize(
    "ring",
    [
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[0, 0], [1, 1], [0, 0]],
        [[0, 95], [1, 95], [1, 96], [0, 95]],
        [[500000, 5000000], [500001, 5000000], [500001, 5000001], [500000, 5000000]],
        [[float("nan"), 0], [1, 0], [1, 1], [float("nan"), 0]],
        [],
    ],
)
def test_an_outline_of_nothing_on_earth_is_none(ring: list[list[float]]) -> None:
    said = Georeference(by=Georeferencing.STAC, outline=Footprint(((tuple(map(tuple, ring)),),)))
    place = place_image(raster(said), NoGround())
    assert (place.georeferencing, place.footprint, place.center) == (Georeferencing.NONE, None, None)


def test_what_the_image_says_itself_counts_and_nothing_is_read() -> None:
    shelf = Shelf(xml=b"", jgw=b"", json=b"")
    said = Georeference(by=Georeferencing.AFFINE, crs="EPSG:32633", transform=tuple(WORLD)[:6])
    assert place_by_side_files(IMAGE, raster(said), shelf.files, shelf.read) == said
    assert shelf.asked == []


def test_no_more_files_are_read_than_are_needed() -> None:
    shelf = Shelf(xml=b"<PAMDataset/>", jgw=world_file(WORLD), json=item(), msk=b"", ovr=b"")
    facts = raster(Georeference(crs="EPSG:32633"))
    assert place_by_side_files(IMAGE, facts, shelf.files, shelf.read).origin == "north/scene.jgw"
    assert shelf.asked == ["xml", "jgw"]


def test_a_camera_position_gives_way_to_a_file_beside_it() -> None:
    said = Georeference(by=Georeferencing.EXIF, position=LonLat(lon=1, lat=2))
    assert beside(said, json=item()).by is Georeferencing.AFFINE
    assert beside(said, json=b"{}").by is Georeferencing.EXIF


def test_a_world_file_takes_its_crs_from_another_file(tmp_path: Path) -> None:
    srs = b"<PAMDataset><SRS>EPSG:3857</SRS></PAMDataset>"
    by_pam = beside(xml=srs, jgw=world_file(WORLD))
    assert (by_pam.by, by_pam.crs, by_pam.origin) == (Georeferencing.AFFINE, "EPSG:3857", "north/scene.jgw")
    by_item = beside(jgw=world_file(Affine(2, 0, 0, 0, -2, 0)), json=item())
    assert (by_item.crs, by_item.transform[0], by_item.origin) == ("EPSG:32633", 2, "north/scene.jgw")


def test_a_transform_in_the_image_takes_its_crs_from_a_file() -> None:
    place = beside(Georeference(transform=tuple(WORLD)[:6]), xml=b"<PAMDataset><SRS>EPSG:3857</SRS></PAMDataset>")
    assert (place.by, place.origin) == (Georeferencing.AFFINE, "north/scene.jpg.aux.xml")


def test_a_world_file_alone_says_what_is_missing() -> None:
    place = beside(jgw=world_file(WORLD))
    assert (place.by, place.note) == (Georeferencing.NONE, "a transform, but nothing that says in which CRS")


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><PAMDataset><SRS>&b;</SRS></PAMDataset>'


@pytest.mark.parametrize(
    ("end", "body"),
    [
        ("jgw", b""),
        ("jgw", b"1 2 3"),
        ("jgw", b"1 0 0 -1 nan 5"),
        ("jgw", b"\xff\xfe1 0 0 -1 4 5"),
        ("xml", b""),
        ("xml", b"<PAMDataset>"),
        ("xml", b"<metadata/>"),
        ("xml", LAUGHS),
        ("xml", b"<PAMDataset><GeoTransform>1, 2, 3</GeoTransform></PAMDataset>"),
        ("xml", b"<PAMDataset><GCPList><GCP Pixel='x'/></GCPList></PAMDataset>"),
        ("json", b""),
        ("json", b"[]"),
        ("json", b"{}"),
        ("json", b"[" * 100_000),
        ("json", item(assets=[])),
        ("json", item(properties={"proj:transform": [1, 2]})),
        ("json", item(geometry={"type": "Polygon", "coordinates": [[[0]]]})),
        ("json", item(geometry={"type": "Polygon", "coordinates": 7})),
    ],
)
def test_a_broken_file_is_noted_and_no_more(end: str, body: bytes) -> None:
    place = beside(**{end: body})
    assert (place.by, place.origin) == (Georeferencing.NONE, None)
    assert place.note.startswith("scene.")
    assert replace(place, note=None) == Georeference()


def test_what_a_file_said_survives_its_encoding() -> None:
    place = beside(json=item(), jgw=b"broken")
    assert Georeference.from_json(json.loads(json.dumps(place.to_json()))) == place
