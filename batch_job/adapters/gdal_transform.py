"""GCPs and RPCs to the ground, by GDAL's mathematics; fits ``ports.GroundTransform``."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.enums import TransformDirection
from pyproj.exceptions import ProjError
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint as GdalPoint
from rasterio.transform import GCPTransformer

from batch_job.adapters.projective import fit_projective
from batch_job.adapters.rpc_ground import RpcGround
from batch_job.adapters.terrain import Terrain
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint, Heights

if TYPE_CHECKING:
    from batch_job.ports import GroundTransform

Floats = NDArray[np.float64]

WGS84 = "EPSG:4326"
KNOWN_CRSS = 64
"""CRSs kept: to make a transformer takes some 10 ms, and the images of a bucket share few."""


ON_A_LINE = 1e-6
"""How wide points must lie, as a share of how long, to settle a plane."""

_REFUSED = (CPLE_BaseError, ProjError, KeyError, ValueError, IndexError)
"""What GDAL and PROJ raise of points that are too few or on one line, of RPCs that are incomplete or no numbers."""


class GdalGroundTransform:
    """GDAL's polynomials through GCPs (of the order that it chooses by their number), its splines, and its RPC model.

    What has no solution gives no answer. GDAL's objects live within a call, so that threads may share this one.
    """

    def __init__(self, terrain: Terrain | None = None) -> None:
        """Take the DEM on which RPCs' ground lies; without one it lies at their ``HEIGHT_OFF``."""
        self._rpc_ground = RpcGround(terrain)

    def to_lonlat(
        self, georeference: Georeference, *, cols: Floats, rows: Floats, above_m: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Place pixels by the GCPs or the RPCs, as ``georeference.by`` says; see ``ports.GroundTransform``."""
        lons, lats = np.full(cols.shape, np.nan), np.full(cols.shape, np.nan)
        asked = np.isfinite(cols) & np.isfinite(rows)
        try:
            # within an Env GDAL's complaints reach the log, not stderr
            with rasterio.Env():
                lons[asked], lats[asked] = self._place(georeference, cols[asked], rows[asked], above_m)
        except _REFUSED:
            return np.full(cols.shape, np.nan), np.full(cols.shape, np.nan)
        return lons, lats

    def heights(self, georeference: Georeference, *, cols: Floats, rows: Floats) -> Heights:
        """Tell how well the heights under pixels are known; see ``ports.GroundTransform``."""
        try:
            with rasterio.Env():
                return self._rpc_ground.heights(georeference.rpcs, cols, rows)
        except _REFUSED:
            return Heights()

    def _place(self, said: Georeference, cols: Floats, rows: Floats, above_m: float) -> tuple[Floats, Floats]:
        if said.by is Georeferencing.RPCS:
            return self._rpc_ground.to_lonlat(said.rpcs, cols, rows, above_m)
        if said.by in FITS and said.gcps_crs is not None:
            return _by_gcps(said, said.gcps_crs, cols, rows)
        raise ValueError(f"nothing to place pixels by: {said}")


def _by_gcps(said: Georeference, crs: str, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    points = said.gcps
    known = np.array([(point.col, point.row, point.x, point.y) for point in points])
    xs, ys = known[:, 2:].T
    if not np.isfinite(known).all():
        raise ValueError("points without a place")
    to_lonlat = _transformer(crs)
    jumps = CRS.from_user_input(crs).is_geographic and np.ptp(xs) > 180
    if jumps:
        lons, lats = to_lonlat.transform(xs, ys)
        to_lonlat = _plane_around(lons, lats)
        xs, ys = to_lonlat.transform(lons, lats, direction=TransformDirection.INVERSE)
    xs, ys = FITS[said.by]([replace(point, x=x, y=y) for point, x, y in zip(points, xs, ys, strict=True)], cols, rows)
    lons, lats = to_lonlat.transform(xs, ys)
    return lons, lats


def _polynomial(points: Sequence[GroundControlPoint], cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    try:
        with GCPTransformer(_gdal_points(points)) as transformer:
            xs, ys = transformer.xy(rows, cols, offset="ul")
    except CPLE_BaseError:
        return _first_order(points, cols, rows)
    return xs, ys


def _first_order(points: Sequence[GroundControlPoint], cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Fit a plane: of six points and more GDAL asks for the second order, which two rows of them do not settle."""
    pixels = np.array([(point.col, point.row) for point in points])
    middle, size = pixels.mean(axis=0), np.ptp(pixels, axis=0).max() or 1.0
    design = np.column_stack([(pixels - middle) / size, np.ones(len(pixels))])
    fit, _, rank, _ = np.linalg.lstsq(design, np.array([(point.x, point.y) for point in points]), rcond=ON_A_LINE)
    if rank < design.shape[1]:
        raise ValueError("points on a line")
    xs, ys = fit.T @ np.vstack([(cols - middle[0]) / size, (rows - middle[1]) / size, np.ones(cols.shape)])
    return xs, ys


def _thin_plate(points: Sequence[GroundControlPoint], cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    with GCPTransformer(_gdal_points(points), tps=True) as transformer:
        xs, ys = transformer.xy(rows, cols, offset="ul")
    return xs, ys


def _gdal_points(points: Sequence[GroundControlPoint]) -> list[GdalPoint]:
    return [GdalPoint(row=point.row, col=point.col, x=point.x, y=point.y) for point in points]


def _plane_around(lons: Floats, lats: Floats) -> Transformer:
    """Map a plane that touches the Earth amid the points to lon/lat; no polynomial fits longitudes that jump at 180."""
    lam, phi = np.radians(lons), np.radians(lats)
    x, y, z = np.cos(phi) @ np.cos(lam), np.cos(phi) @ np.sin(lam), np.sin(phi).sum()
    lon, lat = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    return _transformer(f"+proj=stere +lat_0={lat} +lon_0={lon} +ellps=WGS84")


@lru_cache(maxsize=KNOWN_CRSS)
def _transformer(crs: str) -> Transformer:
    return Transformer.from_crs(CRS.from_user_input(crs).to_2d(), WGS84, always_xy=True)


FITS = {
    Georeferencing.GCPS: _polynomial,
    Georeferencing.GCPS_PROJECTIVE: fit_projective,
    Georeferencing.GCPS_THIN_PLATE: _thin_plate,
}
"""Each: points, columns and rows to the points' coordinates."""

if TYPE_CHECKING:
    _transform: type[GroundTransform] = GdalGroundTransform
