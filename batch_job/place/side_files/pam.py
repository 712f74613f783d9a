"""GDAL's auxiliary metadata, ``.aux.xml``: a CRS, an affine transform, GCPs, RPCs, each or none of them."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from batch_job.values.place import Georeference, GroundControlPoint

COEFFICIENTS = 6


def parse_pam(body: bytes) -> Georeference:
    """Read what the metadata say of the place.

    Raises:
        ValueError, ElementTree.ParseError: they are none, or broken.
    """
    if b"<!" in body.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        # entities can make gigabytes of a few bytes
        raise ValueError("declares a document type, as GDAL never does")
    root = ElementTree.fromstring(body)  # noqa: S314  without declarations there are no entities
    if root.tag != "PAMDataset":
        raise ValueError(f"begins with <{root.tag}>, not <PAMDataset>")
    points = root.find("GCPList")
    gcps = () if points is None else tuple(_point(point) for point in points.iter("GCP"))
    return Georeference(
        crs=_text(root.findtext("SRS")),
        transform=_transform(root.findtext("GeoTransform")),
        gcps=gcps,
        gcps_crs=None if points is None else _points_crs(points),
        rpcs=_rpcs(root),
    )


def _transform(text: str | None) -> tuple[float, float, float, float, float, float] | None:
    """Read GDAL's order: c, a, b, f, d, e."""
    if text is None:
        return None
    numbers = [float(number) for number in text.split(",")]
    if len(numbers) != COEFFICIENTS:
        raise ValueError(f"{len(numbers)} coefficients where a transform has {COEFFICIENTS}")
    c, a, b, f, d, e = numbers
    return a, b, c, d, e, f


def _point(point: Element) -> GroundControlPoint:
    col, row, x, y = (float(point.attrib[name]) for name in ("Pixel", "Line", "X", "Y"))
    return GroundControlPoint(col, row, x, y, float(point.get("Z", 0)))


def _points_crs(points: Element) -> str | None:
    # an attribute since GDAL 1.x, an element since 3.0
    return _text(points.get("Projection")) or _text(points.findtext("SRS"))


def _rpcs(root: Element) -> tuple[tuple[str, str], ...]:
    domains = [each for each in root.findall("Metadata") if each.get("domain") == "RPC"]
    pairs = {item.attrib["key"]: item.text or "" for each in domains for item in each.findall("MDI")}
    return tuple(sorted(pairs.items()))


def _text(text: str | None) -> str | None:
    return (text or "").strip() or None
