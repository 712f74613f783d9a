"""What a raster says about itself, and the pixels read from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from batch_job.values.place import Georeference

UPRIGHT = 1
"""EXIF's orientation of a picture that lies in its file as people see it."""


@dataclass(frozen=True, slots=True)
class RasterFacts:
    """A raster's header, as GDAL reads it."""

    driver: str
    """GDAL's short name: ``GTiff``, ``JPEG``, ``PNG``, ``JP2OpenJPEG``."""
    width: int
    height: int
    dtypes: tuple[str, ...]
    """numpy's name for each band."""
    color_interp: tuple[str, ...]
    """GDAL's words in lower case for each band: ``red``, ``green``, ``blue``, ``alpha``, ``gray``, ``palette``, …"""
    nodata: tuple[float | None, ...]
    """For each band."""
    palette: tuple[tuple[int, int, int, int], ...] = ()
    """RGBA by index, of the first band, when its colours come from a table."""
    bits: int | None = None
    """GDAL's NBITS, where fewer are used than the type holds (1-bit, 12-bit)."""
    acquired: str | None = None
    """ISO 8601 in UTC, where the file says so."""
    georeference: Georeference = field(default_factory=Georeference)
    descriptions: tuple[str, ...] = ()
    """What the file calls each band, empty where it does not; or nothing at all."""
    orientation: int = UPRIGHT
    """EXIF's number, 1–8. Size and georeference are those of the file until ``imagery.orientation`` has turned them."""

    @property
    def bands(self) -> int:
        """How many bands."""
        return len(self.dtypes)

    def to_json(self) -> dict[str, Any]:
        """Encode for ``image.json`` in the archive."""
        return {
            "driver": self.driver,
            "width": self.width,
            "height": self.height,
            "dtypes": list(self.dtypes),
            "color_interp": list(self.color_interp),
            "nodata": [None if value is None else repr(value) for value in self.nodata],
            "palette": [list(colour) for colour in self.palette],
            "bits": self.bits,
            "acquired": self.acquired,
            "georeference": self.georeference.to_json(),
            "descriptions": list(self.descriptions),
            "orientation": self.orientation,
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Decode what ``to_json`` wrote."""
        return cls(
            driver=facts["driver"],
            width=facts["width"],
            height=facts["height"],
            dtypes=tuple(facts["dtypes"]),
            color_interp=tuple(facts["color_interp"]),
            nodata=tuple(None if text is None else float(text) for text in facts["nodata"]),
            palette=tuple((r, g, b, a) for r, g, b, a in facts["palette"]),
            bits=facts["bits"],
            acquired=facts["acquired"],
            georeference=Georeference.from_json(facts["georeference"]),
            descriptions=tuple(facts.get("descriptions", ())),
            orientation=facts.get("orientation", UPRIGHT),
        )


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels as they stand in the file."""

    bands: NDArray[Any]
    """(bands, rows, columns), the file's own type."""
    valid: NDArray[np.bool_]
    """(rows, columns); False where nodata, alpha or a mask says there is no picture."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A window as people see it."""

    rgb: NDArray[np.uint8]
    """(3, rows, columns); in memory (rows, columns, 3)."""
    valid: NDArray[np.bool_]
    """(rows, columns), as in ``Pixels``."""
