"""Where a camera was, in TIFFs; written by Pillow, and by hand where no program writes such."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from batch_job.adapters.exif_position import position_in_tags, position_in_tiff
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.tiff_tags import MOST_ENTRIES, MOST_VALUE_BYTES
from batch_job.values.image import ImageRef
from batch_job.values.place import Georeferencing, LonLat

IMAGE = ImageRef("b", "drone.tif")
PICTURE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
HERE = LonLat(lon=-(151 + 12 / 60 + 30 / 3600), lat=-(33 + 51 / 60 + 36 / 3600))


def photograph(*, lat=(33.0, 51.0, 36.0), lat_ref="S", lon=(151.0, 12.0, 30.0), lon_ref="W") -> bytes:
    facts = ImageFileDirectory_v2()
    facts[0x8825] = {1: lat_ref, 2: lat, 3: lon_ref, 4: lon}
    body = io.BytesIO()
    PICTURE.save(body, "TIFF", tiffinfo=facts)
    return body.getvalue()


def by_hand(order: str = "<", *, big: bool = False, gps_at: int | None = None, entries: int = 4, **changed) -> bytes:
    """A TIFF of two directories: one entry that leads to the GPS directory, and that."""
    entry, count, value = ("HHQ", "Q", 8) if big else ("HHI", "H", 4)
    size, count_size = (20, 8) if big else (12, 2)
    head = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", 43 if big else 42)
    head += struct.pack(f"{order}HHQ", 8, 0, 16) if big else struct.pack(f"{order}I", 8)
    gps = len(head) + count_size + size
    ratios = gps + count_size + 4 * size
    where = "Q" if big else "I"
    first = struct.pack(order + count + entry, 1, 0x8825, 18 if big else 13, 1)
    first += struct.pack(order + where, gps if gps_at is None else gps_at)
    said = {"lat": (5, 3, ratios), "lon": (5, 3, ratios + 24), **changed}
    tags = [(1, 2, 2, b"S".ljust(value, b"\0")), (2, *said["lat"]), (3, 2, 2, b"W".ljust(value, b"\0"))]
    tags.append((4, *said["lon"]))
    body = struct.pack(order + count, entries)
    for tag, kind, n, at in tags:
        body += struct.pack(order + entry, tag, kind, n)
        body += at if isinstance(at, bytes) else struct.pack(order + where, at)
    return head + first + body + struct.pack(f"{order}12I", 33, 1, 51, 1, 36, 1, 151, 1, 12, 1, 30, 1)


def position(body: bytes) -> LonLat | None:
    return position_in_tiff(lambda start, length: body[start : start + length])


def test_a_tiff_that_a_drone_took_has_the_cameras_position():
    with RasterOpener(ObjectsInMemory({IMAGE: photograph()}))(IMAGE, etag=None) as source:
        place = source.facts.georeference
    assert (place.by, place.transform) == (Georeferencing.EXIF, None)
    assert place.position.lon == pytest.approx(HERE.lon, abs=1e-9)
    assert place.position.lat == pytest.approx(HERE.lat, abs=1e-9)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_pictures_of_a_phone_have_it_too(form: str):
    facts, body = Image.Exif(), io.BytesIO()
    facts[0x0112] = 1  # Pillow leaves EXIF out of a PNG that has nothing but a position
    facts.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 36.0), 3: "W", 4: (151.0, 12.0, 30.0)})
    PICTURE.convert("RGB").save(body, form, exif=facts)
    with RasterOpener(ObjectsInMemory({IMAGE: body.getvalue()}))(IMAGE, etag=None) as source:
        place = source.facts.georeference
    assert place.by is Georeferencing.EXIF
    assert (place.position.lon, place.position.lat) == (pytest.approx(HERE.lon), pytest.approx(HERE.lat))


def jpeg(lon: bytes) -> bytes:
    """A photograph whose longitude is a text, which GDAL hands on as it stands."""
    body = io.BytesIO()
    facts = by_hand(lon=(2, len(lon), len(by_hand()))) + lon
    PICTURE.convert("RGB").save(body, "JPEG", exif=b"Exif\0\0" + facts)
    return body.getvalue()


@pytest.mark.parametrize(
    ("lon", "expected"),
    [
        (b"(151) (12) (30)", HERE.lon),
        (b"(1.51e+2) (12.) (30)", HERE.lon),
        (b"(1-2) (12) (30)", None),
        (b"(...) (12) (30)", None),
        (b"(e) (12) (30)", None),
        (b"(1e999) (12) (30)", None),
    ],
)
def test_a_jpeg_whose_angle_is_a_text_has_a_position_or_none_and_is_a_picture_still(lon: bytes, expected: float | None):
    with RasterOpener(ObjectsInMemory({IMAGE: jpeg(lon)}))(IMAGE, etag=None) as source:
        place = source.facts.georeference
    assert (place.position and place.position.lon) == (expected and pytest.approx(expected, abs=1e-9))


@given(st.text("()+-.e0123456789 ", max_size=40))
def test_of_any_text_of_an_angle_comes_a_place_on_earth_or_none(text: str):
    refs = {"EXIF_GPSLatitudeRef": "S", "EXIF_GPSLongitudeRef": "W"}
    found = position_in_tags({"EXIF_GPSLatitude": text, "EXIF_GPSLongitude": text} | refs)
    assert found is None or (-90 <= found.lat <= 0 and found.lon == found.lat)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_either_byte_order_and_bigtiff_say_it(order: str, big: bool):  # noqa: FBT001  a parameter of the test
    assert position(by_hand(order, big=big)) == HERE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"nothing of the kind",
        photograph(lat=(93.0, 0.0, 0.0)),
        photograph(lat=(1.0,)),
        photograph(lon=(181.0, 0.0, 0.0)),
        photograph(lat_ref=""),
        by_hand(gps_at=0xFFFFFFFF),
        by_hand(gps_at=0),
        by_hand(lat=(5, 3, 0xFFFFFFF0)),
        by_hand(lat=(5, 0xFFFFFFFF, 80)),
        by_hand(lat=(5, 0, 80)),
        by_hand(lat=(2, 3, 80)),
        by_hand(lat=(99, 3, 80)),
        by_hand(lat=(12, 3, 80)),
        by_hand()[:-1],
    ],
    ids=[
        *("empty", "four-bytes", "directory-beyond", "words", "latitude-93", "degrees-alone", "longitude-181"),
        *("no-hemisphere", "gps-beyond", "gps-on-the-head", "ratios-beyond", "a-million-ratios", "no-ratio", "a-text"),
        *("no-such-kind", "doubles", "cut-off"),
    ],
)
def test_what_is_broken_or_no_angle_is_no_position(body: bytes):
    assert position(body) is None


def test_a_directory_that_leads_to_itself_is_read_once_more_and_no_further():
    asked = []
    body = by_hand(gps_at=8)

    def read(start: int, length: int) -> bytes:
        asked.append((start, length))
        return body[start : start + length]

    assert position_in_tiff(read) is None
    assert len(asked) <= 5


def test_of_a_file_that_claims_everything_little_is_read():
    lengths = []
    body = by_hand(entries=0xFFFF, lat=(5, 0x20000000, 80), lon=(5, 30, 80))

    def read(start: int, length: int) -> bytes:
        lengths.append(length)
        return body[start : start + length]

    assert position_in_tiff(read) is None
    assert max(lengths) <= max(MOST_ENTRIES * 12, MOST_VALUE_BYTES)


@settings(max_examples=300)
@given(st.data())
def test_of_broken_bytes_comes_a_place_on_earth_or_none(data: st.DataObject):
    body = bytearray(by_hand(data.draw(st.sampled_from("<>")), big=data.draw(st.booleans())))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=8)):
        body[at] = byte
    found = position(bytes(body[: data.draw(st.integers(0, len(body)))]))
    assert found is None or (abs(found.lat) <= 90 and abs(found.lon) <= 180)
