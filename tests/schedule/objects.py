"""What objects hold in a schedule, what it shows, and where the archive keeps what was paid for it."""

from functools import cache

from batch_job.values.image import ImageRef, ImageVersion, SideFile

PART = 2
"""Chips in a part of the archive: as many may be paid for and lost with their worker."""


def chips_of(body: str) -> range:
    """The chips of an image: 1 to 4."""
    return range(1 + int(body.rpartition("-")[2]) % 4)


@cache
def label_names(body: str, sides: tuple[SideFile, ...], detection: str, index: str) -> tuple[str, ...]:
    """f(bucket): what must be found, 0 to 4 labels; everything that it depends on stands in the names."""
    kind, _, number = body.rpartition("-")
    beside = ",".join(f"{side.key}={side.etag[:4]}" for side in sides)
    return tuple(f"{kind}|{number}|{beside}|{detection}|{index}|{i}" for i in range(int(number) % 5))


def folder(image: ImageRef, version: ImageVersion) -> str:
    return f"{version.detection_fingerprint}/{image.key}/{version.etag}/"


def header_name(image: ImageRef, version: ImageVersion) -> str:
    """What a read of the header made of these side files."""
    return f"header/{folder(image, version)}{version.content}"
