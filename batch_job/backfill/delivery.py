"""A delivered inventory's manifest, read beside its ``manifest.checksum``."""

from batch_job.backfill.inventory import parse_manifest
from batch_job.backfill.messages import CHECKSUM, Delivered
from batch_job.errors import InventoryError
from batch_job.ports import OpenStream
from batch_job.values.inventory import Manifest

MANIFEST = "manifest.json"


def read_manifest(open_stream: OpenStream, delivered: Delivered, *, of_bucket: str) -> Manifest:
    """Read the manifest of an inventory that is whole.

    Raises:
        InventoryError: it cannot be planned, or is another bucket's.
    """
    folder, _, name = delivered.key.rpartition("/")
    if name != CHECKSUM:
        raise InventoryError(f"s3://{delivered.bucket}/{delivered.key} is no {CHECKSUM}")
    beside = f"{folder}/".lstrip("/")
    body = _read(open_stream, bucket=delivered.bucket, key=beside + MANIFEST)
    manifest = parse_manifest(body, checksum=_read(open_stream, bucket=delivered.bucket, key=delivered.key))
    if manifest.source_bucket != of_bucket:
        raise InventoryError(f"an inventory of {manifest.source_bucket}; {of_bucket} is planned here")
    return manifest


def _read(open_stream: OpenStream, *, bucket: str, key: str) -> bytes:
    with open_stream(bucket=bucket, key=key) as stream:
        return stream.read(-1)
