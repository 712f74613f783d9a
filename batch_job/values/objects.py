"""What an object store says of an object."""

from dataclasses import dataclass


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
