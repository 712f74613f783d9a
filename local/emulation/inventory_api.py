"""S3's inventory configurations, kept as the XML that was put; bare ministack takes these calls for bucket calls."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ministack.services import s3

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
STORED = "_inventory"
"""The bucket's own record holds them, so that deletion, reset and persistence take them along."""
MAX_CONFIGURATIONS = 1_000
PAGE = 100

Answer = tuple[int, dict[str, str], bytes]
Configurations = MutableMapping[str, str]


def install() -> None:
    """Answer ``?inventory`` of buckets, leave the rest as it was."""
    dispatch = s3._dispatch

    def with_inventory(
        method: str, bucket: str, key: str, headers: Any, body: bytes, query: Mapping[str, Sequence[str]]
    ) -> Any:
        if key or "inventory" not in query:
            return dispatch(method, bucket, key, headers, body, query)
        return answer(method, bucket, body, {name: _first(value) for name, value in query.items()})

    s3._dispatch = with_inventory


def answer(method: str, bucket: str, body: bytes, query: Mapping[str, str]) -> Answer:
    """Answer a request about a bucket's inventory configurations."""
    record = s3._buckets.get(bucket)
    if record is None:
        return _refusal("NoSuchBucket", "The specified bucket does not exist", 404)
    kept: Configurations = record.setdefault(STORED, {})
    match method, query.get("id"):
        case "GET", None:
            return _list(kept, query.get("continuation-token", ""))
        case "GET", str(name):
            return _xml(kept[name].encode()) if name in kept else _none_such()
        case "PUT", str(name):
            return _put(kept, name, body)
        case "DELETE", str(name):
            return (204, {}, b"") if kept.pop(name, None) else _none_such()
        case _:
            return _refusal("InvalidArgument", "an inventory configuration needs an id", 400)


def put(bucket: str, configuration: ET.Element) -> None:
    """Keep a configuration that a template brings."""
    name = configuration.findtext("{*}Id", "")
    s3._buckets[bucket].setdefault(STORED, {})[name] = ET.tostring(configuration, encoding="unicode")


def drop(bucket: str, name: str) -> None:
    """Forget a configuration that a template no longer brings."""
    s3._buckets[bucket].get(STORED, {}).pop(name, None)


def _put(kept: Configurations, name: str, body: bytes) -> Answer:
    try:
        root = ET.fromstring(body)  # noqa: S314  from clients on this machine
    except ET.ParseError:
        return _refusal("MalformedXML", "The XML you provided was not well-formed", 400)
    required = ("IsEnabled", "IncludedObjectVersions", "Schedule/{*}Frequency")
    destination = "Destination/{*}S3BucketDestination/{*}Bucket"
    missing = [path for path in (*required, destination) if not root.findtext(f"{{*}}{path}")]
    if root.findtext("{*}Id") != name or missing:
        return _refusal("InvalidArgument", f"id {name!r} is not the body's, or the body lacks {missing}", 400)
    if len(kept) == MAX_CONFIGURATIONS and name not in kept:
        return _refusal("TooManyConfigurations", f"a bucket has at most {MAX_CONFIGURATIONS}", 400)
    kept[name] = body.decode()
    return 204, {}, b""


def _list(kept: Configurations, after: str) -> Answer:
    names = [name for name in sorted(kept) if name > after]
    page, is_truncated = names[:PAGE], len(names) > PAGE
    root = ET.Element("ListInventoryConfigurationsResult", xmlns=NAMESPACE)
    for name in page:
        root.append(_without_namespace(ET.fromstring(kept[name])))  # noqa: S314
    ET.SubElement(root, "IsTruncated").text = str(is_truncated).lower()
    if is_truncated:
        ET.SubElement(root, "NextContinuationToken").text = page[-1]
    return _xml(ET.tostring(root))


def _without_namespace(element: ET.Element) -> ET.Element:
    for one in element.iter():
        one.tag = one.tag.rpartition("}")[2]
    return element


def _first(value: Sequence[str]) -> str:
    return value if isinstance(value, str) else value[0]


def _xml(body: bytes) -> Answer:
    return 200, {"Content-Type": "application/xml"}, body


def _none_such() -> Answer:
    return _refusal("NoSuchConfiguration", "The specified configuration does not exist.", 404)


def _refusal(code: str, message: str, status: int) -> Answer:
    root = ET.Element("Error")
    ET.SubElement(root, "Code").text = code
    ET.SubElement(root, "Message").text = message
    return status, {"Content-Type": "application/xml"}, ET.tostring(root)
