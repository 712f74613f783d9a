"""Looking at the bucket: an image with its side files, and the images that a key is about."""

from collections.abc import Iterable, Iterator
from itertools import islice

from batch_job.ledger.visits import Found
from batch_job.ports import ObjectStore
from batch_job.values.image import (
    IMAGE_SUFFIXES,
    ImageRef,
    SideFile,
    is_image_key,
    side_file_prefix,
    side_keys,
    stem,
)

LISTED = 1000
"""Keys in a page of S3's listings; beside ``scene.tif`` there may be ten thousand of ``scene.00001.tif``."""


def look(store: ObjectStore, image: ImageRef) -> Found | None:
    """Find out what stands in the bucket; None when the object does not exist."""
    facts = store.head(image)
    return None if facts is None else Found(image, facts, tuple(_side_files(store, image)))


def _side_files(store: ObjectStore, image: ImageRef) -> Iterator[SideFile]:
    """Yield an image's side files, by key: one page of a listing, and HEADs for what strangers keep beyond it."""
    names = sorted(side_keys(image.key))
    listed = 0
    for one in islice(store.list(image.bucket, stem(image.key)), LISTED):
        listed += 1
        if one.key in names:
            yield SideFile(key=one.key, etag=one.etag)
        names = [name for name in names if name > one.key]
        if not names:
            return
    if listed == LISTED:
        yield from _asked_for(store, image.bucket, names)


def _asked_for(store: ObjectStore, bucket: str, keys: Iterable[str]) -> Iterator[SideFile]:
    for key in keys:
        facts = store.head(ImageRef(bucket=bucket, key=key))
        if facts is not None:
            yield SideFile(key=key, etag=facts.etag)


def images_about(
    store: ObjectStore, *, bucket: str, key: str, suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> Iterator[ImageRef]:
    """Yield the images to reconcile when a key was written or deleted: itself, or those that it is a side file of.

    For a side file that several images share (``scene.tfw``) it reads the listing of all that begins with ``scene.``,
    a request for every 1,000 strangers among them.
    """
    if is_image_key(key, suffixes):
        yield ImageRef(bucket=bucket, key=key)
        return
    prefix = side_file_prefix(key)
    if prefix is None:
        return
    if not prefix.endswith("."):  # the side file of one key, which may itself be gone
        if is_image_key(prefix, suffixes):
            yield ImageRef(bucket=bucket, key=prefix)
        return
    for listed in store.list(bucket, prefix):
        if is_image_key(listed.key, suffixes) and key in side_keys(listed.key):
            yield ImageRef(bucket=bucket, key=listed.key)
