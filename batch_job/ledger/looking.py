"""Looking at the bucket: an image with its side files, and the images that a key is about."""

from collections.abc import Iterator

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


def look(store: ObjectStore, image: ImageRef) -> Found | None:
    """Find out what stands in the bucket; None when the object does not exist."""
    facts = store.head(image)
    return None if facts is None else Found(image, facts, tuple(_side_files(store, image)))


def _side_files(store: ObjectStore, image: ImageRef) -> Iterator[SideFile]:
    """Yield an image's side files, by key: one listing instead of eight HEADs."""
    names = side_keys(image.key)
    last = max(names)
    for listed in store.list(image.bucket, stem(image.key)):
        if listed.key in names:
            yield SideFile(key=listed.key, etag=listed.etag)
        if listed.key >= last:
            return


def images_about(
    store: ObjectStore, *, bucket: str, key: str, suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> Iterator[ImageRef]:
    """Yield the images to reconcile when a key was written or deleted: itself, or those that it is a side file of."""
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
