"""Which image, which version of it, and which keys are its side files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

IMAGE_SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k", ".jpg", ".jpeg", ".png", ".webp", ".ntf", ".nitf")
"""Endings, in lower case, of keys that are taken for images unless settings say otherwise."""

LOCAL_FILES = ""
"""The bucket of a file on this machine."""

_MASK = ".msk"
_WHOLE_NAME_SIDES = (".aux.xml", _MASK, ".ovr")
_STEM_SIDES = (".tfw", ".jgw", ".pgw", ".wld", ".json")


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """An object in a bucket, or a file on this machine (bucket ``LOCAL_FILES``, key the absolute path)."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """``s3://bucket/key`` or ``file:///path``, for people."""
        return f"s3://{self.bucket}/{self.key}" if self.bucket else f"file://{self.key}"

    @property
    def id(self) -> str:
        """32 hex digits that name the image everywhere; an ``_id`` may have 512 bytes, a key has up to 1,024."""
        return hashlib.sha256(f"{self.bucket}\x1f{self.key}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, order=True)
class SideFile:
    """An object beside an image that GDAL would read with it."""

    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """What the labels of an image depend on; equal versions give equal labels."""

    etag: str
    """Without quotes; equality only (multipart and KMS objects have no MD5)."""
    side_files: tuple[SideFile, ...]
    """Sorted by key; absence counts too."""
    detection_fingerprint: str
    index_fingerprint: str

    @property
    def content(self) -> str:
        """Name object and side files, whatever the settings: 32 hex digits."""
        parts = [self.etag, *(part for side in self.side_files for part in (side.key, side.etag))]
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    def same_content(self, other: "ImageVersion") -> bool:
        """Tell whether object and side files are the same, whatever the settings."""
        return self.etag == other.etag and self.side_files == other.side_files


def stem(key: str) -> str:
    """Give the prefix that an image shares with all its side files, dot included: ``a/b.tif`` → ``a/b.``."""
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}."


def side_keys(key: str) -> frozenset[str]:
    """Name every key that would be a side file of the image ``key``."""
    return frozenset([key + end for end in _WHOLE_NAME_SIDES] + [stem(key) + end[1:] for end in _STEM_SIDES])


def mask_of(image: ImageRef, side_files: Iterable[SideFile]) -> SideFile | None:
    """Find GDAL's mask of an image among its side files: the one that says which of its pixels are a picture."""
    return next((side for side in side_files if side.key == image.key + _MASK), None)


def side_file_prefix(key: str) -> str | None:
    """Give the prefix under which the images of a side file stand, or None when ``key`` is no side file's.

    ``a/b.tif.ovr`` → ``a/b.tif``; ``a/b.tfw`` → ``a/b.``.
    """
    for end in _WHOLE_NAME_SIDES:
        if key.endswith(end):
            return key.removesuffix(end)
    return stem(key) if key.endswith(_STEM_SIDES) else None


def is_image_key(key: str, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> bool:
    """Tell whether a key is taken for an image; folder markers (``…/``) and side files are not."""
    return not key.endswith("/") and key.lower().endswith(suffixes)
