"""What an image's header says of its place, every way of it."""

from typing import Any

from batch_job.adapters.exif_position import position_in_tags, position_in_tiff
from batch_job.adapters.raster_orientation import reads_exif
from batch_job.adapters.tiff_tags import ReadBytes
from batch_job.values.place import Georeference, Georeferencing, GroundControlPoint, LonLat


def read_georeference(dataset: Any, read: ReadBytes) -> Georeference:
    """Say every way in which an open image is placed, and which is the most exact; ``read`` reads its file."""
    has_transform = not dataset.transform.is_identity
    points, points_crs = dataset.gcps
    gcps = tuple(GroundControlPoint(p.col, p.row, p.x, p.y, p.z or 0.0) for p in points) if points_crs else ()
    rpcs = dataset.tags(ns="RPC")
    position = _position(dataset, read)
    ways = (
        (Georeferencing.AFFINE, dataset.crs and has_transform),
        (Georeferencing.GCPS, gcps),
        (Georeferencing.RPCS, rpcs),
        (Georeferencing.EXIF, position),
    )
    return Georeference(
        by=next((way for way, said in ways if said), Georeferencing.NONE),
        # each without the other too: a file beside the image may have what is missing
        crs=_crs_text(dataset.crs) if dataset.crs else None,
        transform=tuple(dataset.transform)[:6] if has_transform else None,
        gcps=gcps,
        gcps_crs=_crs_text(points_crs) if gcps else None,
        rpcs=tuple(sorted(rpcs.items())),
        position=position,
    )


def _position(dataset: Any, read: ReadBytes) -> LonLat | None:
    """Read where the camera was; GDAL tells it of JPEG alone."""
    exif = read if dataset.driver == "GTiff" else reads_exif(dataset.driver, read)
    return position_in_tags(dataset.tags()) if exif is None else position_in_tiff(exif)


def _crs_text(crs: Any) -> str:
    # 100: only what is that code in every detail, not what resembles it
    authority = crs.to_authority(confidence_threshold=100)
    return ":".join(authority) if authority and authority[0] == "EPSG" else str(crs.to_wkt(version="WKT2_2019"))
