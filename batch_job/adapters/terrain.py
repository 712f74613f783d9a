"""A raster of heights (DEM): the part of it that lies under one image, as a file in memory for GDAL's RPC model.

A DEM may be as large as a continent, so it is never copied: its header and the blocks under an image are read by
ranges, like an image's. Only GeoTIFF is read, with GDAL's one driver for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.session import DummySession
from rasterio.windows import Window as GdalWindow

from batch_job.adapters.gdal_open import open_dataset
from batch_job.adapters.gdal_thread import GDAL_OPTIONS, as_ours
from batch_job.adapters.ranges import LocalFiles, RangedObject, RangeReader
from batch_job.adapters.raster_header import HEAD_BYTES, driver_of
from batch_job.adapters.raster_limits import check_blocks
from batch_job.errors import ChangedError, InputError, SettingsError
from batch_job.values.image import LOCAL_FILES, ImageRef

Heights = NDArray[np.float32]

MAX_SAMPLES = 4096**2
"""Kept of a DEM under one image: 64 MB, and for a moment twice that. 40 km a side at 10 m."""
MAX_SHRINK = 4
"""A finer DEM is read this many times coarser at most; what an image would need beyond that is too much to read."""
MARGIN = 3
"""Samples around what was asked for, for GDAL's interpolation."""
EDGE_POINTS = 21
"""A side: how densely an area's outline is taken to the DEM's CRS, where it bends."""
VOID = -1e6
"""Height that stands where the DEM has none."""
S3 = "s3://"
DRIVER = "GTiff"

_METRES = {"", "m", "metre", "meter", "metres", "meters"}


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in longitude and latitude, degrees; across 180° its east goes on counting."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, other: "Area") -> bool:
        """Tell whether another lies within this one."""
        fits = self.west <= other.west and other.east <= self.east
        return fits and self.south <= other.south and other.north <= self.north

    def widened(self, share: float) -> "Area":
        """Give the area with a share of its own sides added on each side."""
        across, up = (self.east - self.west) * share, (self.north - self.south) * share
        return Area(self.west - across, self.south - up, self.east + across, self.north + up)


@dataclass(frozen=True, slots=True)
class Cut:
    """Heights under an image, or why there are none."""

    file: MemoryFile | None = None
    """A GeoTIFF of one band."""
    above_ellipsoid: bool = False
    """Whether the DEM says so of its heights; most count from the sea."""
    note: str | None = None

    def close(self) -> None:
        """Give the memory back."""
        if self.file is not None:
            self.file.close()


@dataclass(frozen=True, slots=True)
class Terrain:
    """A DEM; opened anew for each image, so that threads may share this."""

    dem: ImageRef
    objects: RangeReader
    """Of the object store."""
    files: RangeReader = field(default_factory=LocalFiles)

    @classmethod
    def of(cls, dem: str, objects: RangeReader) -> "Terrain | None":
        """Take the setting ``dem``: ``s3://BUCKET/KEY``, or a file of this machine; None where it is empty."""
        if not dem:
            return None
        if not dem.startswith(S3):
            return cls(ImageRef(bucket=LOCAL_FILES, key=str(Path(dem).absolute())), objects)
        bucket, _, key = dem.removeprefix(S3).partition("/")
        return cls(ImageRef(bucket=bucket, key=key), objects)

    def check(self) -> None:
        """Look whether it can be used at all.

        Raises:
            SettingsError: says what it is instead.
            AccessError: we may not read it.
            UnavailableError: the store does not answer.
        """
        with self._opened():
            pass

    def cut(self, area: Area) -> Cut:
        """Read the heights of an area. Raises as ``check``."""
        with self._opened() as (dataset, crs):
            window = _window(dataset, crs, area)
            if window is None:
                return Cut(note="the DEM does not reach it")
            shrink = ceil(sqrt(window.width * window.height / MAX_SAMPLES))
            if shrink > MAX_SHRINK:
                return Cut(note=f"the DEM has {window.width} x {window.height} heights under it, which is too many")
            heights = _read(dataset, window, shrink)
            if (heights == VOID).all():
                return Cut(note="the DEM has no heights under it")
            placed = _transform(dataset, window, heights, crs=crs, area=area)
            return Cut(_written(heights, placed, crs.to_2d()), above_ellipsoid=_is_above_ellipsoid(crs))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, CRS]]:
        reader = self.files if self.dem.bucket == LOCAL_FILES else self.objects
        file = RangedObject(reader, self.dem, etag=None)
        try:
            _check_start(self.dem, file)
            with (
                rasterio.Env(session=DummySession(), **GDAL_OPTIONS),
                as_ours(self.dem, file),
                open_dataset(self.dem, file, driver=DRIVER) as dataset,
            ):
                check_blocks(self.dem, dataset)
                yield dataset, _check(self.dem, dataset)
        except InputError as error:
            raise SettingsError(f"dem: {error}") from error


def _check_start(dem: ImageRef, file: RangedObject) -> None:
    try:
        driver = driver_of(dem, file.read(0, HEAD_BYTES))
    except ChangedError as error:
        # what a store answers of an object that is not there
        raise SettingsError(f"dem: {dem.uri} is not there") from error
    if driver != DRIVER:
        raise SettingsError(f"dem: {dem.uri} is {driver}, not a GeoTIFF")


def _check(dem: ImageRef, dataset: Any) -> CRS:
    """Give the CRS of a raster that can be a DEM."""
    if dataset.dtypes[0].startswith("complex"):
        raise SettingsError(f"dem: {dem.uri} holds {dataset.dtypes[0]}, not heights")
    if (dataset.units[0] or "").lower() not in _METRES:
        raise SettingsError(f"dem: {dem.uri} has heights in {dataset.units[0]}, not in metres")
    if dataset.crs is None:
        raise SettingsError(f"dem: {dem.uri} does not say in which CRS it is")
    a, b, _, d, e, _ = dataset.transform[:6]
    if dataset.transform.is_identity or b or d or a <= 0 or e >= 0:
        raise SettingsError(f"dem: {dem.uri} has no north-up transform, but {tuple(dataset.transform)[:6]}")
    try:
        crs = CRS.from_wkt(dataset.crs.to_wkt())
        _to_dem(crs)
    except ProjError as error:
        raise SettingsError(f"dem: {dem.uri} is in a CRS that does not lead to longitude and latitude") from error
    return crs


def _to_dem(crs: CRS) -> Transformer:
    return Transformer.from_crs("EPSG:4326", crs.to_2d(), always_xy=True)


def _is_above_ellipsoid(crs: CRS) -> bool:
    return not crs.is_compound and len(crs.axis_info) == 3


def _turns(dataset: Any, crs: CRS, area: Area) -> float:
    """Tell by how many degrees an area is to be turned to where the DEM has it: one from 0 to 360 has no -45."""
    if not crs.is_geographic:
        return 0.0
    middle = (dataset.bounds.left + dataset.bounds.right) / 2
    return float(360 * np.round((middle - (area.west + area.east) / 2) / 360))


def _window(dataset: Any, crs: CRS, area: Area) -> GdalWindow | None:
    """Give the whole samples that an area needs, as far as the DEM reaches."""
    along = np.linspace(0, 1, EDGE_POINTS)
    lons, lats = np.meshgrid(
        area.west + along * (area.east - area.west), area.south + along * (area.north - area.south)
    )
    # a geographic CRS answers within ±180, whatever the DEM counts from
    xs, ys = (lons, lats) if crs.is_geographic else _to_dem(crs).transform(lons, lats)
    cols, rows = ~dataset.transform @ (np.asarray(xs) + _turns(dataset, crs, area), np.asarray(ys))
    cols, rows = cols[np.isfinite(cols)], rows[np.isfinite(rows)]
    if not cols.size or not rows.size:
        return None
    left, right = max(int(cols.min()) - MARGIN, 0), min(ceil(cols.max()) + MARGIN, dataset.width)
    top, bottom = max(int(rows.min()) - MARGIN, 0), min(ceil(rows.max()) + MARGIN, dataset.height)
    return GdalWindow(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _read(dataset: Any, window: GdalWindow, shrink: int) -> Heights:
    shape = ceil(window.height / shrink), ceil(window.width / shrink)
    read = dataset.read(1, window=window, out_shape=shape, masked=True, resampling=Resampling.average)
    heights = read.astype(np.float32) * np.float32(dataset.scales[0]) + np.float32(dataset.offsets[0])
    filled = np.ma.filled(heights, np.float32(VOID))
    return np.where(np.isfinite(filled), filled, np.float32(VOID))


def _transform(dataset: Any, window: GdalWindow, heights: Heights, *, crs: CRS, area: Area) -> Affine:
    """Place the heights that were read, turned back to where the area is."""
    rows, cols = heights.shape
    turned: Affine = Affine.translation(-_turns(dataset, crs, area), 0) @ dataset.transform
    return (
        turned
        @ Affine.translation(window.col_off, window.row_off)
        @ Affine.scale(window.width / cols, window.height / rows)
    )


def _written(heights: Heights, transform: Affine, crs: CRS) -> MemoryFile:
    file = MemoryFile(ext=".tif")
    rows, cols = heights.shape
    with file.open(
        driver="GTiff", width=cols, height=rows, count=1, dtype="float32", nodata=VOID,
        crs=rasterio.crs.CRS.from_wkt(crs.to_wkt()), transform=transform,
    ) as written:  # fmt: skip
        written.write(heights, 1)
    return file
