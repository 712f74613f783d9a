"""What an object store says of an object."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The answer to HEAD."""

    etag: str
    """Without quotes."""
    size: int
    last_modified: str
    """ISO 8601 in UTC."""
    readable: bool = True
    """False while it is in an archive storage class and not restored."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A line of a listing."""

    key: str
    etag: str
    size: int
    last_modified: str
    """ISO 8601 in UTC."""
    storage_class: str = "STANDARD"
    """As S3 names it; of Intelligent-Tiering a listing does not tell the tier."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A whole object as read, with what a write over it must name."""

    body: bytes = field(repr=False)
    etag: str
