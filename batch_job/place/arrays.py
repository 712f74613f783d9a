"""Names for the arrays that this room works on."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
Geometries = NDArray[np.object_]
"""Shapely's polygons and multipolygons in longitude and latitude, or None."""
