"""The scenes of the demo."""

from dataclasses import dataclass, replace
from enum import StrEnum, auto

from local.scenes.places import FROM_ORBIT, POLE
from local.scenes.spec import Bands, Compression, Layout, Scene, Spacing

OVERLAP_PX = 204
"""Chips of 1,024 px overlap by a fifth; objects up to here lie whole in one of them."""


class DemoSize(StrEnum):
    """How much the demo shows."""

    SHORT = auto()
    """Two small scenes, for every run of the tests."""
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class Changes:
    """What happens to the bucket after the night."""

    overwritten: Scene
    """Comes in place of the demo's scene of the same name."""
    deleted: Scene
    added: Scene


def demo_changes(size: DemoSize = DemoSize.WHOLE) -> Changes:
    """Describe what happens to the bucket after the night."""
    return _CHANGES[size]


def demo_scenes(size: DemoSize = DemoSize.WHOLE) -> tuple[Scene, ...]:
    """Describe the demo's scenes, the main one first."""
    return _SHORT if size is DemoSize.SHORT else _WHOLE


_HARBOUR = Scene(
    name="harbour-cog",
    width=10_000,
    height=8_000,
    count=3_000,
    max_object_px=OVERLAP_PX,
    spacing=Spacing.BY_LABEL,
    layout=Layout.COG,
    compression=Compression.JPEG,
    crs="EPSG:32633",
    transform=(0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0),
    seed=1,
)
_MULTISPECTRAL = Scene(
    name="multispectral-16bit",
    width=3_000,
    height=2_400,
    count=250,
    max_object_px=OVERLAP_PX,
    bands=Bands.RGBN,
    bits=16,
    layout=Layout.STRIPS,
    nodata_border_px=120,
    crs="EPSG:32719",
    transform=(0.6, 0.0, 340_000.0, 0.0, -0.6, 6_295_000.0),
    seed=2,
)
_PALETTE = Scene(
    name="map-palette",
    count=120,
    max_object_px=OVERLAP_PX,
    bands=Bands.PALETTE,
    layout=Layout.TILED,
    compression=Compression.LZW,
    crs="EPSG:3857",
    transform=(1.0, 0.0, 1_490_000.0, 0.0, -1.0, 6_894_000.0),
    seed=3,
)
_DATELINE = Scene(
    name="dateline",
    count=120,
    max_object_px=OVERLAP_PX,
    layout=Layout.COG,
    crs="EPSG:32660",
    # the 180th meridian runs through the middle, at 52 degrees north
    transform=(0.5, 0.0, 705_430.0, 0.0, -0.5, 5_765_800.0),
    seed=4,
)
_SNAPSHOT = Scene(
    name="snapshot", width=2_400, height=1_800, count=120, max_object_px=OVERLAP_PX, layout=Layout.JPEG, seed=5
)
_GREY = Scene(
    name="panchromatic-grey",
    count=120,
    max_object_px=OVERLAP_PX,
    bands=Bands.GREY,
    bits=16,
    crs="EPSG:32633",
    transform=(0.5, 0.0, 394_000.0, 0.0, -0.5, 5_822_000.0),
    seed=6,
)
_CROWDED = Scene(
    name="crowded-overlapping",
    count=500,
    max_object_px=OVERLAP_PX,
    slenderest=0.1,
    labels=("Car", "Building"),
    spacing=Spacing.OVERLAPPING,
    layout=Layout.COG,
    crs="EPSG:32633",
    transform=(0.5, 0.0, 396_000.0, 0.0, -0.5, 5_822_000.0),
    seed=7,
)

_WHOLE = (_HARBOUR, _MULTISPECTRAL, _PALETTE, _DATELINE, _SNAPSHOT, _GREY, _CROWDED, POLE, FROM_ORBIT)
_SHORT = (
    Scene(
        name="small-cog",
        count=150,
        max_object_px=OVERLAP_PX,
        spacing=Spacing.BY_LABEL,
        layout=Layout.COG,
        compression=Compression.JPEG,
        crs="EPSG:32633",
        transform=(0.5, 0.0, 388_000.0, 0.0, -0.5, 5_822_000.0),
        seed=8,
    ),
    Scene(name="small-snapshot", width=2_000, height=1_500, count=100, layout=Layout.JPEG, seed=9),
)

_LATE = Scene(
    name="late-arrival",
    width=1_800,
    height=1_400,
    count=80,
    max_object_px=OVERLAP_PX,
    layout=Layout.COG,
    crs="EPSG:32633",
    transform=(0.5, 0.0, 398_000.0, 0.0, -0.5, 5_822_000.0),
    seed=10,
)
_CHANGES = {
    DemoSize.SHORT: Changes(overwritten=replace(_SHORT[0], count=60, seed=11), deleted=_SHORT[1], added=_LATE),
    DemoSize.WHOLE: Changes(overwritten=replace(_PALETTE, count=90, seed=12), deleted=_GREY, added=_LATE),
}
