"""Delivers an inventory of a bucket as S3 does, at once instead of within 48 hours.

``python -m local.inventory BUCKET [--id ID] [--files N]``, with ``AWS_ENDPOINT_URL`` naming the emulator. First
come the data files, then ``manifest.json``, then ``manifest.checksum``, whose arrival says that all is there. Source:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import argparse
import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from batch_job.backfill.listing import ListingHead, Row, data_file, file_of, md5_hex, write_checksum, write_manifest
from batch_job.errors import BackfillError, SetUpError
from batch_job.values.inventory import DataFile
from local.inventory_rows import VERSION_COLUMNS, to_fields

DATA_FILES = 3
"""As many as S3 would make of a large bucket; a reader of one file only is found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An inventory configuration, as far as it matters here."""

    source: str
    name: str
    destination: str
    """Name of the bucket that gets the inventory."""
    prefix: str
    """In front of all keys of the inventory; empty or without a slash at its end."""
    listed: str
    """Only objects whose keys begin so are listed."""
    columns: tuple[str, ...]
    encryption: Mapping[str, str]
    """Arguments of PutObject."""

    @property
    def folder(self) -> str:
        """Where all inventories of this configuration are."""
        return "/".join(filter(None, (self.prefix, self.source, self.name)))

    @property
    def has_versions(self) -> bool:
        """Whether every version is listed, and every delete marker."""
        return VERSION_COLUMNS[0] in self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An inventory that was delivered."""

    bucket: str
    manifest_key: str
    checksum_key: str
    data_keys: tuple[str, ...]
    rows: int


def deliver(
    client: Any,
    bucket: str,
    *,
    configuration_id: str | None = None,
    began: datetime | None = None,
    data_files: int = DATA_FILES,
) -> Delivery:
    """List a bucket and write its inventory where its configuration says.

    Args:
        client: A boto3 client of S3.
        bucket: The bucket that is listed.
        configuration_id: Which of its inventory configurations; may be left out where there is one.
        began: When the scan is said to have begun; now, if not given.
        data_files: Among how many files the rows are dealt out; an empty inventory has none.

    Raises:
        SetUpError: the bucket has no such configuration, or one that is disabled or not for CSV.
        ClientError: the destination does not take it.
    """
    if data_files < 1:
        raise SetUpError(f"rows cannot be dealt out among {data_files} files")
    order = read_order(_configuration(client, bucket, configuration_id), source=bucket)
    began = began or datetime.now(tz=UTC)
    rows = [to_fields(one, order.columns, bucket=bucket) for one in _listed(client, order)]
    rows.sort(key=lambda row: md5_hex("".join(row).encode()))  # S3's rows are in no order either
    described = [
        _put_data(client, order, dealt, part=f"{began} {number}")
        for number in range(data_files)
        if (dealt := rows[number::data_files])
    ]
    manifest_key, checksum_key = _put_manifest(client, order, began, described)
    return Delivery(
        bucket=order.destination,
        manifest_key=manifest_key,
        checksum_key=checksum_key,
        data_keys=tuple(one.key for one in described),
        rows=len(rows),
    )


def read_order(configuration: Mapping[str, Any], *, source: str) -> Ordered:
    """Read an ``InventoryConfiguration`` of the S3 API.

    Raises:
        SetUpError: it is disabled, or not for CSV.
    """
    name, to = configuration["Id"], configuration["Destination"]["S3BucketDestination"]
    if not configuration["IsEnabled"]:
        raise SetUpError(f"the inventory {name} of {source} is disabled: S3 would deliver nothing")
    if to["Format"] != "CSV":
        raise SetUpError(f"the inventory {name} of {source} is {to['Format']}; only CSV is delivered here")
    versions = VERSION_COLUMNS if configuration["IncludedObjectVersions"] == "All" else ()
    return Ordered(
        source=source,
        name=name,
        destination=to["Bucket"].rpartition(":")[2],
        prefix=to.get("Prefix", "").rstrip("/"),
        listed=configuration.get("Filter", {}).get("Prefix", ""),
        columns=("Bucket", "Key", *versions, *configuration.get("OptionalFields", ())),
        encryption=_encryption(to.get("Encryption", {})),
    )


def _encryption(wanted: Mapping[str, Any]) -> dict[str, str]:
    if "SSEKMS" in wanted:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": wanted["SSEKMS"]["KeyId"]}
    return {"ServerSideEncryption": "AES256"} if "SSES3" in wanted else {}


def _configuration(client: Any, bucket: str, name: str | None) -> Mapping[str, Any]:
    try:
        if name is not None:
            answer = client.get_bucket_inventory_configuration(Bucket=bucket, Id=name)
            return cast("Mapping[str, Any]", answer["InventoryConfiguration"])
        known = client.list_bucket_inventory_configurations(Bucket=bucket).get("InventoryConfigurationList", [])
    except ClientError as error:
        raise SetUpError(f"the inventory {name or ''} of {bucket} cannot be read: {error}") from error
    if len(known) != 1:
        names = ", ".join(one["Id"] for one in known)
        raise SetUpError(f"the bucket {bucket} has {len(known)} inventories, which one is to be named: {names}")
    return cast("Mapping[str, Any]", known[0])


def _listed(client: Any, order: Ordered) -> Iterator[Mapping[str, Any]]:
    """Yield what the listing says of each object, or of each version."""
    if order.has_versions:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=order.source, Prefix=order.listed):
            yield from page.get("Versions", ())
            yield from ({**marker, "IsDeleteMarker": True} for marker in page.get("DeleteMarkers", ()))
        return
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=order.source, Prefix=order.listed):
        yield from page.get("Contents", ())


def _put_data(client: Any, order: Ordered, rows: Sequence[Row], *, part: str) -> DataFile:
    """Write a data file."""
    body = data_file(rows)
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"s3://{order.destination}/{order.folder} {part}")
    key = f"{order.folder}/data/{name}.csv.gz"
    client.put_object(Bucket=order.destination, Key=key, Body=body, **order.encryption)
    return file_of(key, body)


def _put_manifest(client: Any, order: Ordered, began: datetime, files: Sequence[DataFile]) -> tuple[str, str]:
    head = ListingHead(
        source_bucket=order.source,
        destination_bucket=order.destination,
        created_ms=int(began.timestamp() * 1000),
        columns=order.columns,
    )
    body = write_manifest(head, files)
    folder = f"{order.folder}/{began.astimezone(UTC):%Y-%m-%dT%H-%MZ}"
    symlink = f"{order.folder}/hive/dt={began.astimezone(UTC):%Y-%m-%d-%H-%M}/symlink.txt"
    parts = {
        symlink: "\n".join(f"s3://{order.destination}/{one.key}" for one in files).encode(),
        f"{folder}/manifest.json": body,
        f"{folder}/manifest.checksum": write_checksum(body),  # the last of all: it starts whoever waits
    }
    for key, content in parts.items():
        client.put_object(Bucket=order.destination, Key=key, Body=content, **order.encryption)
    return f"{folder}/manifest.json", f"{folder}/manifest.checksum"


def main(arguments: Sequence[str]) -> None:
    """Deliver an inventory to the emulator, and name its manifest.

    Raises:
        SetUpError: no emulator is named, or there is no such configuration.
    """
    parser = argparse.ArgumentParser(prog="python -m local.inventory", description="Deliver an inventory of a bucket.")
    parser.add_argument("bucket", help="the bucket that is listed")
    parser.add_argument("--id", help="which of its inventory configurations; may be left out where there is one")
    parser.add_argument("--files", type=int, default=DATA_FILES, help="data files that share the rows (default: 3)")
    asked = parser.parse_args(arguments)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise SetUpError("AWS_ENDPOINT_URL is not set: real buckets get their inventories from S3")
    client = boto3.client("s3", endpoint_url=endpoint)
    try:
        made = deliver(client, asked.bucket, configuration_id=asked.id, data_files=asked.files)
    finally:
        client.close()
    sys.stdout.write(f"{made.rows} rows in {len(made.data_keys)} files: s3://{made.bucket}/{made.manifest_key}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BackfillError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))
