"""Which files beside an image are read for its place, and how what they say is put together."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import ParseError

from batch_job.place.side_files.pam import parse_pam
from batch_job.place.side_files.stac import parse_stac_item
from batch_job.place.side_files.world_file import parse_world_file
from batch_job.values.image import ImageRef, SideFile
from batch_job.values.place import Georeference, Georeferencing
from batch_job.values.raster import RasterFacts

ENDINGS = (".aux.xml", ".tfw", ".jgw", ".pgw", ".wld", ".json")
"""Of files that tell of a place, in the order in which they are read: GDAL's, then STAC items."""

Read = Callable[[SideFile], bytes]

_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, ParseError)
"""What reading can raise of a file that is broken, or something else of that name."""


def place_by_side_files(
    image: ImageRef, facts: RasterFacts, side_files: Iterable[SideFile], read: Read
) -> Georeference:
    """Complete what an image says of its place by what lies beside it; pixels as they lie in the file.

    An image that says where its pixels are is taken at its word, and nothing is read. Else files are read in the order
    of ``ENDINGS``, until what is known is enough: a world file takes its CRS from the image or from another file.
    """
    said = facts.georeference
    telling = [(ENDINGS.index(end), side) for side in side_files for end in ENDINGS if side.key.endswith(end)]
    for _, side in sorted(telling, key=lambda each: each[0]):
        if said.places_pixels:
            break
        try:
            told = _parse(side, read(side), image, facts)
        except _DAMAGE as error:
            said = _noted(said, f"{_name(side.key)}: {error}")
            continue
        said = _joined(said, told, side.key)
    if said.transform is not None and said.crs is None:
        said = _noted(said, "a transform, but nothing that says in which CRS")
    return said


def _parse(side: SideFile, body: bytes, image: ImageRef, facts: RasterFacts) -> Georeference:
    if side.key.endswith(".aux.xml"):
        return parse_pam(body)
    if side.key.endswith(".json"):
        return parse_stac_item(body, name=_name(image.key), facts=facts)
    return parse_world_file(body)


def _joined(said: Georeference, told: Georeference, key: str) -> Georeference:
    """Add what a file tells to what is known, which stays; the file that places is the origin."""
    known: dict[str, Any] = {
        name: getattr(said, name) or getattr(told, name)
        for name in ("crs", "transform", "gcps", "gcps_crs", "rpcs", "outline")
    }
    joined = replace(said, **known)
    by = _by(joined)
    # where a CRS and a transform come from two files, the transform's is the origin
    placing = _PLACING.get(by, "transform")
    adds = bool(getattr(told, placing)) and not getattr(said, placing)
    completes = by is not said.by and said.origin is None
    return replace(joined, by=by, origin=key if adds or completes else said.origin)


_PLACING = {Georeferencing.GCPS: "gcps", Georeferencing.RPCS: "rpcs", Georeferencing.STAC: "outline"}
"""What of a georeference holds the place; else its transform."""


def _by(said: Georeference) -> Georeferencing:
    """Name the first way that has all it needs, in the order of preference."""
    ways = (
        (Georeferencing.AFFINE, said.crs and said.transform),
        (Georeferencing.GCPS, said.gcps and said.gcps_crs),
        (Georeferencing.RPCS, said.rpcs),
        (Georeferencing.STAC, said.outline),
        (Georeferencing.EXIF, said.position),
    )
    return next((way for way, has_all in ways if has_all), Georeferencing.NONE)


def _noted(said: Georeference, problem: str) -> Georeference:
    return replace(said, note=problem if said.note is None else f"{said.note}; {problem}")


def _name(key: str) -> str:
    return key.rpartition("/")[2]
