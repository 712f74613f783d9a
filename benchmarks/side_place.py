"""One side of the georeference benchmark: ``python -m benchmarks.side_place SIDE CRS`` prints what it took, as JSON.

Sides: ``ours`` takes a million pixels to longitude and latitude; ``pyproj`` and ``rasterio`` take coordinates that are
in the CRS already; ``pixels`` is pyproj with the sums before it, as one writes them; ``footprints`` is ours for
250,000 boxes, with all that is indexed of their place.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from batch_job.cli.memory import peak_mb

N_CORNERS = 1_000_000
SIDE_PX = 30_000
SAMPLE = 997
"""Every so many-th position is compared between the sides."""
CENTERS = {
    "EPSG:32633": (15.0, 50.0),
    "EPSG:3857": (15.0, 50.0),
    "EPSG:4326": (15.0, 50.0),
    "EPSG:3413": (-45.0, 75.0),
    "EPSG:2056": (8.0, 47.0),
    "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40 +lon_0=15 +datum=WGS84": (15.0, 50.0),
}
"""Where the image lies, by CRS."""

Floats = NDArray[np.float64]
Transform = tuple[float, float, float, float, float, float]
Lonlat = tuple[Any, Any]


def image_transform(crs: str) -> Transform:
    """Lay an image of half a metre a pixel around the centre, turned by some degrees."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*CENTERS[crs])
    size = 5e-6 if crs == "EPSG:4326" else 0.5
    a, b = size * 0.995, size * 0.0998
    return a, b, x - SIDE_PX / 2 * (a + b), b, -a, y - SIDE_PX / 2 * (b - a)


def corners() -> tuple[Floats, Floats]:
    """Scatter pixels all over the image."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, SIDE_PX, N_CORNERS), rng.uniform(0, SIDE_PX, N_CORNERS)


def coordinates(crs: str) -> tuple[Floats, Floats]:
    """Give the same pixels in the CRS."""
    (a, b, c, d, e, f), (cols, rows) = image_transform(crs), corners()
    return a * cols + b * rows + c, d * cols + e * rows + f


def ours(crs: str) -> Callable[[], Lonlat]:
    """Place pixels as the pipeline does."""
    from batch_job.adapters.gdal_transform import GdalGroundTransform  # noqa: PLC0415  no other side's memory holds it
    from batch_job.place.project import find_ground  # noqa: PLC0415

    ground, (cols, rows) = find_ground(_facts(crs), GdalGroundTransform()), corners()
    if ground is None:
        raise ValueError(f"no ground for {crs}")
    return lambda: ground.to_lonlat(cols=cols, rows=rows)


def by_pyproj(crs: str) -> Callable[[], Lonlat]:
    """Use pyproj on arrays."""
    to_lonlat, (xs, ys) = Transformer.from_crs(crs, "EPSG:4326", always_xy=True), coordinates(crs)
    to_lonlat.transform(xs[:1], ys[:1])
    return lambda: to_lonlat.transform(xs, ys)


def by_pyproj_from_pixels(crs: str) -> Callable[[], Lonlat]:
    """Use numpy and pyproj on pixels."""
    to_lonlat, (a, b, c, d, e, f) = Transformer.from_crs(crs, "EPSG:4326", always_xy=True), image_transform(crs)
    cols, rows = corners()
    to_lonlat.transform(cols[:1], rows[:1])
    return lambda: to_lonlat.transform(a * cols + b * rows + c, d * cols + e * rows + f)


def by_rasterio(crs: str) -> Callable[[], Lonlat]:
    """Use what people with rasterio at hand do."""
    from rasterio.warp import transform  # noqa: PLC0415

    xs, ys = coordinates(crs)
    transform(crs, "EPSG:4326", xs[:1], ys[:1])
    return lambda: transform(crs, "EPSG:4326", xs, ys)


def footprints(crs: str) -> Callable[[], Lonlat]:
    """Place boxes of 20 px with all that is indexed: footprint, centre, area and length."""
    from batch_job.adapters.gdal_transform import GdalGroundTransform  # noqa: PLC0415
    from batch_job.place.footprints import place_features  # noqa: PLC0415
    from batch_job.values.spaces import ImageDetection, Kind, Label, PixelBox, Window  # noqa: PLC0415

    window, label, (cols, rows) = Window(col_off=0, row_off=0, width=1024, height=1024), Label("Boat"), corners()
    found = [
        ImageDetection(label, 90.0, Kind.OBJECT, PixelBox(col, row, col + 20, row + 20), (window,))
        for col, row in zip(cols[: N_CORNERS // 4].tolist(), rows.tolist(), strict=False)
    ]
    facts = _facts(crs)

    def work() -> Lonlat:
        centers = [feature.center for feature in place_features(found, facts, GdalGroundTransform())]
        return [c.lon for c in centers if c is not None], [c.lat for c in centers if c is not None]

    return work


def _facts(crs: str) -> Any:
    from batch_job.values.place import Georeference, Georeferencing  # noqa: PLC0415
    from batch_job.values.raster import RasterFacts  # noqa: PLC0415

    said = Georeference(by=Georeferencing.AFFINE, crs=crs, transform=image_transform(crs))
    return RasterFacts("GTiff", SIDE_PX, SIDE_PX, ("uint8",), ("gray",), (None,), georeference=said)


SIDES: dict[str, Callable[[str], Callable[[], Lonlat]]] = {
    "ours": ours,
    "pyproj": by_pyproj,
    "pixels": by_pyproj_from_pixels,
    "rasterio": by_rasterio,
    "footprints": footprints,
}


def main() -> None:
    """Do what the arguments say."""
    side, crs = sys.argv[1:]
    work = SIDES[side](crs)
    began = time.process_time()
    lons, lats = work()
    seconds = time.process_time() - began
    sample = [np.asarray(values)[::SAMPLE].tolist() for values in (lons, lats)]
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "sample": sample}))


if __name__ == "__main__":
    main()
