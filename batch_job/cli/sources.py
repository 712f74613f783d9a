"""What SOURCE stands for: files, folders, buckets."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from batch_job.ledger.looking import look
from batch_job.ports import ObjectStore
from batch_job.values.image import IMAGE_SUFFIXES, LOCAL_FILES, ImageRef, SideFile, is_image_key, side_keys
from batch_job.values.objects import ObjectFacts

S3_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Source:
    """An image to run, with what its listing said of it."""

    image: ImageRef
    facts: ObjectFacts


def split_s3(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/prefix`` into bucket and prefix (maybe empty)."""
    bucket, _, prefix = uri.removeprefix(S3_SCHEME).partition("/")
    if not uri.startswith(S3_SCHEME) or not bucket:
        raise click.UsageError(f"{uri!r} is not s3://BUCKET or s3://BUCKET/PREFIX")
    return bucket, prefix


def find_sources(names: Sequence[str], store: ObjectStore) -> Iterator[Source]:
    """Yield the images that SOURCE arguments stand for, each once, in the order given.

    A file is taken whatever its ending; folders and buckets are searched for the usual endings.

    Raises:
        click.UsageError: a name stands for nothing.
    """
    seen: set[ImageRef] = set()
    for name in names:
        found = False
        for source in _of(name, store):
            found = True
            if source.image not in seen:
                seen.add(source.image)
                yield source
        if not found:
            raise click.UsageError(nothing_there(name))


def nothing_there(name: str) -> str:
    """Say that a SOURCE stands for nothing, and what would be something."""
    return f"{name}: no image there (looked for endings {', '.join(IMAGE_SUFFIXES)})"


def file_source(path: Path) -> Source:
    """Describe a file as a store would; its ETag changes with size and modification time."""
    status = path.stat()
    etag = hashlib.sha256(f"{status.st_size}-{status.st_mtime_ns}".encode()).hexdigest()[:32]
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts = ObjectFacts(etag=etag, size=status.st_size, last_modified=modified)
    return Source(ImageRef(bucket=LOCAL_FILES, key=str(path.resolve())), facts)


def listed(store: ObjectStore, *, bucket: str, prefix: str) -> Iterator[Source]:
    """Yield the images of a bucket under a prefix."""
    for one in store.list(bucket, prefix):
        if is_image_key(one.key):
            facts = ObjectFacts(etag=one.etag, size=one.size, last_modified=one.last_modified)
            yield Source(ImageRef(bucket=bucket, key=one.key), facts)


def side_files_of(image: ImageRef, store: ObjectStore) -> tuple[SideFile, ...]:
    """Find what lies beside an image, by key; a file's ETag is as in ``file_source``."""
    if image.bucket != LOCAL_FILES:
        found = look(store, image)
        return () if found is None else found.side_files
    paths = (Path(key) for key in sorted(side_keys(image.key)))
    return tuple(SideFile(str(path), file_source(path).facts.etag) for path in paths if path.is_file())


def _of(name: str, store: ObjectStore) -> Iterator[Source]:
    if not name.startswith(S3_SCHEME):
        return _path(name)
    bucket, prefix = split_s3(name)
    return listed(store, bucket=bucket, prefix=prefix)


def _path(name: str) -> Iterator[Source]:
    path = Path(name)
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file() and is_image_key(inner.name):
                yield file_source(inner)
    elif path.is_file():
        yield file_source(path)
    else:
        raise click.UsageError(f"{name}: no such file or folder")
