"""Documents for tests of the indices."""

from typing import Any

from batch_job.values.documents import ChipCounts, ImageDocument, LabelDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.ledger import LabelSet, Lease, LedgerEntry, State, SupersededSet
from batch_job.values.place import Footprint, LonLat

HARBOUR = ImageRef(bucket="imagery", key="harbour/2026_05/Boats-01.tif")
VERSION = ImageVersion(
    etag="9b2cf535f27731c974343645a3985328",
    side_files=(SideFile(key="harbour/2026_05/Boats-01.tfw", etag="d41d8cd9"),),
    detection_fingerprint="d" * 16,
    index_fingerprint="i" * 16,
)


def square(lon: float, lat: float, *, side: float = 0.001) -> Footprint:
    """A square around a position, degrees."""
    half = side / 2
    west, south, east, north = lon - half, lat - half, lon + half, lat + half
    return Footprint(((((west, south), (east, south), (east, north), (west, north), (west, south)),),))


def ring(*positions: tuple[float, float]) -> Footprint:
    """One polygon, closed here."""
    return Footprint((((*positions, positions[0]),),))


BOW_TIE = ring((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0))
NO_AREA = ring((0.0, 0.0), (1.0, 1.0), (0.5, 0.5))
ONE_POSITION = ring((0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
REFUSED_SHAPES = {"bow tie": BOW_TIE, "no area": NO_AREA, "one position": ONE_POSITION}


def label(ordinal: int = 0, **changes: Any) -> LabelDocument:
    """A boat in the harbour, every field filled."""
    facts: dict[str, Any] = {
        "image": HARBOUR,
        "epoch": 1,
        "ordinal": ordinal,
        "label": "Boat",
        "terms": ("Boat", "Vehicle", "Transportation", "Watercraft"),
        "categories": ("Vehicles and Automotive",),
        "kind": "object",
        "confidence": 91.5,
        "pixel_box": (10.5, 20.0, 50.25, 40.0),
        "pixel_ring": ((10.5, 30.0), (20.0, 40.0), (50.25, 28.5), (40.0, 20.0)),
        "geometry": square(10.0, 54.0),
        "center": LonLat(lon=10.0, lat=54.0),
        "area_m2": 123.5,
        "length_m": 18.25,
        "width_m": 6.5,
        "chips": 2,
        "touches_edge": False,
        "etag": VERSION.etag,
        "time": "2026-05-17T10:20:30Z",
        "time_source": TimeSource.ACQUIRED,
        "model_version": "3.0",
    }
    return LabelDocument(**{**facts, **changes})


def described(image: ImageRef = HARBOUR, **changes: Any) -> ImageDocument:
    """What is known of the harbour, every field filled."""
    facts: dict[str, Any] = {
        "image": image,
        "etag": VERSION.etag,
        "size": 5_000_000_000,
        "last_modified": "2026-05-18T00:00:00Z",
        "time": "2026-05-17T10:20:30Z",
        "time_source": TimeSource.ACQUIRED,
        "format": "GTiff",
        "width": 10_000,
        "height": 8_000,
        "bands": 4,
        "dtype": "uint16",
        "crs": "EPSG:32632",
        "gsd_m": 0.5,
        "georeference": "affine",
        "georeference_from": "harbour/scene.tfw",
        "georeference_error_m": 2.5,
        "georeference_note": "scene.tif.aux.xml: no element found",
        "footprint": square(10.0, 54.0, side=0.1),
        "center": LonLat(lon=10.0, lat=54.0),
        "labels": ("Boat", "Car"),
        "chips": ChipCounts(total=150, sent=100, blank=20, rejected=1, skipped=30),
        "engine": "rekognition",
        "model_version": "3.0",
        "cost_usd": 0.1,
        "run_id": "run-1",
        "indexed_at": "2026-05-18T01:00:00Z",
    }
    return ImageDocument(**{**facts, **changes})


def entry(image: ImageRef = HARBOUR, **changes: Any) -> LedgerEntry:
    """The harbour's ledger, indexed, epoch 1, every field filled but the error."""
    facts: dict[str, Any] = {
        "image": image,
        "state": State.INDEXED,
        "version": VERSION,
        "epoch": 1,
        "lease": Lease(owner="worker-1", until_ms=1_800_000_000_000),
        "attempts": 1,
        "token": "a" * 32,
        "live": LabelSet(epoch=1, count=3),
        "superseded": (SupersededSet(epoch=0, count=2, declared_ms=1_790_000_000_000),),
        "settings_revision": 7,
        "described": described(image),
    }
    return LedgerEntry(**{**facts, **changes})
