"""The file of an area of interest: its size, its name by content. What it says, ``area_geojson`` reads."""

import hashlib
import re
from pathlib import Path

from batch_job.errors import SettingsError

MAX_AREA_BYTES = 16 * 1024**2
"""About 600,000 positions: a country's coast to 10 m. More would take each worker seconds to read, and say no more."""
S3_SCHEME = "s3://"
_OBJECT = re.compile(r"s3://([a-z0-9][a-z0-9.-]+[a-z0-9])/([^*?$]*[^*?$/])")
"""A deployment grants reading it by name: what means more than one there is no name."""
AREA_TEXT = "GeoJSON file, path or `s3://` URI: only chips that touch its polygons are cut; empty: all."


def area_digest(body: bytes) -> str:
    """Name the content of a file: what was indexed under another name is indexed again."""
    return hashlib.sha256(body).hexdigest()[:32]


def check_area_size(name: str, size: int) -> None:
    """Make sure that a file is not too large.

    Raises:
        SettingsError: it is.
    """
    if size > MAX_AREA_BYTES:
        raise SettingsError(
            f"area_of_interest {name}: {size:,} bytes, where {MAX_AREA_BYTES:,} are the most; leave out detail that no "
            "chip shows: ogr2ogr -simplify 0.0001 -lco COORDINATE_PRECISION=5 smaller.geojson area.geojson"
        )


def read_area_file(path: str) -> bytes:
    """Read a file of this machine.

    Raises:
        SettingsError: it is not there, may not be read, or is too large.
    """
    file = Path(path)
    try:
        check_area_size(path, file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"area_of_interest {path}: cannot be read: {error.strerror}") from error


def split_area_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://BUCKET/KEY``.

    Raises:
        SettingsError: it names no object.
    """
    named = _OBJECT.fullmatch(uri)
    if named is None:
        raise SettingsError(f"area_of_interest {uri}: names no object; write s3://BUCKET/KEY, without any of * ? $")
    return named[1], named[2]
