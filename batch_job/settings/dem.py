"""What names a raster of heights (DEM): for a run on this machine, and for a deployment."""

import re
from typing import Annotated

from pydantic import AfterValidator

DEM_TEXT = "GeoTIFF of heights, metres, that images placed by RPCs lie on; empty: each at one height of its own."
_BUCKET = r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9]/"
_OBJECT_OR_PATH = re.compile(rf"{_BUCKET}\S.*|[^:]*")
_GRANTED = re.compile(rf"({_BUCKET}[^*?$\s][^*?$]*)?")


def _check_place(dem: str) -> str:
    if not _OBJECT_OR_PATH.fullmatch(dem):
        raise ValueError("names no file; write a path, or s3://BUCKET/KEY")
    return dem


def _check_object(dem: str) -> str:
    if not _GRANTED.fullmatch(dem):
        raise ValueError("names no object; put the file into a bucket, and write s3://BUCKET/KEY, without any of * ? $")
    return dem


Dem = Annotated[str, AfterValidator(_check_place)]
"""A path, or ``s3://BUCKET/KEY``; never another scheme, which GDAL might follow."""
DeployedDem = Annotated[str, AfterValidator(_check_object)]
"""``s3://BUCKET/KEY``: reading it is granted by name, and what means more than one there is no name."""
