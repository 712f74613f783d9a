"""From pixels to the ground by formulas of our own, none of them of the code that is looked at.

Formulas lead to a plane, and pyproj takes that to longitudes and latitudes, forward only.
"""

from collections.abc import Callable

import numpy as np
from pyproj import Transformer

from local.scenes.spec import Scene, Seen
from local.truth import Camera, Numbers

GSD_M = 0.5
"""Of the scenes that no transform places, about."""
BENT_CRS, BENT_AT = "EPSG:32633", (388_000.0, 5_822_000.0)
"""The map of the bent scans, and their middle on it."""
LON, LAT = 10.0, 45.0
"""The middle of the other scenes that no transform places."""
LON_PER_PX, LAT_PER_PX = 6.35e-6, 4.5e-6
"""Of what is seen from orbit: about ``GSD_M``."""
SKEW, LEAN = 0.2, 0.1
"""How far samples follow the latitude, and lines the longitude."""
NEARER = 0.01
"""How much larger the ground shows on one side of what is seen from orbit than in the middle."""

_PLANE = f"+proj=stere +lat_0={LAT} +lon_0={LON} +ellps=WGS84"
_Formula = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]


def camera_of(scene: Scene) -> Camera | None:
    """Give the way from columns and rows, (0, 0) the outer corner of the first pixel, to longitudes and latitudes.

    Returns:
        None: nothing says where the scene is.
    """
    if scene.seen is Seen.FROM_ORBIT:
        return _from_orbit(scene)
    crs, formula = map_of(scene)
    if crs is None:
        return None
    to_lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def camera(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        lons, lats = to_lonlat.transform(*formula(cols, rows))
        return lons, lats

    return camera


def map_of(scene: Scene) -> tuple[str | None, _Formula]:
    """Give the plane that a scene lies on, None for none, and the way there from columns and rows."""
    match scene.seen:
        case Seen.BENT:
            return BENT_CRS, _bent(scene)
        case Seen.WAVING:
            return _PLANE, _waving(scene)
        case Seen.OBLIQUE:
            return _PLANE, _oblique(scene)
    return scene.crs, _affine(scene)


def _affine(scene: Scene) -> _Formula:
    a, b, c, d, e, f = scene.transform or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return lambda cols, rows: (a * cols + b * rows + c, d * cols + e * rows + f)


def _bent(scene: Scene) -> _Formula:
    """Bend as a polynomial of the second order does."""

    def formula(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        x, y = _from_the_middle(scene, cols, rows)
        return BENT_AT[0] + x + y**2 / 5e3, BENT_AT[1] + y + x * y / 1e4

    return formula


def _waving(scene: Scene) -> _Formula:
    """Wave as no polynomial does."""

    def formula(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        x, y = _from_the_middle(scene, cols, rows)
        return x + 8 * np.sin(y / 90), y + 8 * np.cos(x / 110)

    return formula


def _oblique(scene: Scene) -> _Formula:
    """Project a plane."""

    def formula(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        x, y = _from_the_middle(scene, cols, rows)
        depth = 1 + rows / 2000 + cols / 9000
        return x / depth, y / depth

    return formula


def _from_the_middle(scene: Scene, cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    return (cols - scene.width / 2) * GSD_M, (scene.height / 2 - rows) * GSD_M


def _from_orbit(scene: Scene) -> Camera:
    """Solve for the ground what ``headers`` writes down of samples and lines, which count the middles of pixels.

    sample = (lon + SKEW lat) / (1 + NEARER lon), line = (LEAN lon - lat) / (1 + NEARER lon), all from -1 to 1.
    """

    def camera(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        sample = (cols - 0.5 - scene.width / 2) / (scene.width / 2)
        line = (rows - 0.5 - scene.height / 2) / (scene.height / 2)
        lon = (sample + SKEW * line) / (1 + SKEW * LEAN - NEARER * (sample + SKEW * line))
        lat = LEAN * lon - line * (1 + NEARER * lon)
        return LON + lon * scene.width / 2 * LON_PER_PX, LAT + lat * scene.height / 2 * LAT_PER_PX

    return camera
