"""Where a camera was, by EXIF: from GDAL's metadata of a JPEG, from the GPS directory of a TIFF, which GDAL hides."""

import re
from collections.abc import Sequence
from math import isfinite

from batch_job.adapters.tiff_tags import BrokenTiffError, ReadBytes, Tiff, Value
from batch_job.values.place import LonLat

PADDING = " \0"
"""Behind texts of EXIF."""

_IN_BRACKETS = re.compile(r"\(([-+]?[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?)\)", re.IGNORECASE)
"""Numbers as C prints them; an angle may be any text in a file, and GDAL hands that on."""

_GPS = 0x8825
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4
"""Tags of EXIF's GPS directory (EXIF 2.32, 4.6.6)."""


def position_in_tags(tags: dict[str, str]) -> LonLat | None:
    """Read GDAL's metadata, where an angle is ``(51) (30) (0.5)``: degrees, minutes, seconds."""
    lon = _degrees(_numbers(tags.get("EXIF_GPSLongitude")), tags.get("EXIF_GPSLongitudeRef"), negative="W", limit=180)
    lat = _degrees(_numbers(tags.get("EXIF_GPSLatitude")), tags.get("EXIF_GPSLatitudeRef"), negative="S", limit=90)
    return None if lon is None or lat is None else LonLat(lon=lon, lat=lat)


def position_in_tiff(read: ReadBytes) -> LonLat | None:
    """Read the GPS directory that a TIFF's first directory leads to; None without one, and for a broken one."""
    try:
        tiff = Tiff.of(read)
        leads = tiff.directory(tiff.first, frozenset({_GPS})).get(_GPS)
        if leads is None or not leads.numbers:
            return None
        gps = tiff.directory(int(leads.numbers[0]), frozenset({_LAT_REF, _LAT, _LON_REF, _LON}))
    except BrokenTiffError:
        return None
    lon = _angle(gps.get(_LON), gps.get(_LON_REF), negative="W", limit=180)
    lat = _angle(gps.get(_LAT), gps.get(_LAT_REF), negative="S", limit=90)
    return None if lon is None or lat is None else LonLat(lon=lon, lat=lat)


def _angle(angle: Value | None, hemisphere: Value | None, *, negative: str, limit: int) -> float | None:
    if angle is None or hemisphere is None:
        return None
    return _degrees(angle.numbers, hemisphere.text, negative=negative, limit=limit)


def _numbers(text: str | None) -> list[float]:
    return [float(number) for number in _IN_BRACKETS.findall(text or "")]


def _degrees(numbers: Sequence[float], hemisphere: str | None, *, negative: str, limit: int) -> float | None:
    """Add up degrees, minutes and seconds; None where a part is missing, or no angle comes of it."""
    if len(numbers) != 3 or not hemisphere:
        return None
    degrees = numbers[0] + numbers[1] / 60 + numbers[2] / 3600
    if not isfinite(degrees) or not 0 <= degrees <= limit:
        return None
    return -degrees if hemisphere.strip(PADDING).upper() == negative else degrees
