import io
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from batch_job.adapters.ranges import BLOCK_BYTES
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.s3 import S3ArchiveStore, S3Clock, S3ObjectStore, S3Reader, s3_client
from batch_job.errors import ChangedError, SetUpError, UnreadableImageError
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Window
from local.emulator import KEY, REGION

pytestmark = pytest.mark.server

letters = st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffe\uffff")
keys = st.text(letters, min_size=1, max_size=300).filter(lambda key: len(key.encode()) <= 1024)


@pytest.fixture
def client(s3_endpoint: str) -> Iterator[Any]:
    made = s3_client(endpoint_url=s3_endpoint, region=REGION, access_key=KEY, secret_key=KEY)
    yield made
    made.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=keys)
@example(key="with space+plus%20percent%2B.tif")
@example(key="é/日本/🛰.tif")
@example(key="folder/")
@example(key="a//b/./c")
@example(key="?x=1&y#z")
@example(key="k" * 1024)
def test_any_key_is_headed_read_and_listed_as_itself(client: Any, bucket: str, key: str):
    body = uuid.uuid4().bytes
    etag = client.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
    image, store = ImageRef(bucket, key), S3ObjectStore(client)
    facts = store.head(image)
    assert facts is not None
    assert (facts.etag, facts.size, facts.readable) == (etag, len(body), True)
    assert S3Reader(client).read_range(image, etag=etag, start=0, length=99).body == body
    assert [(found.key, found.etag) for found in store.list(bucket, key) if found.key == key] == [(key, etag)]
    client.delete_object(Bucket=bucket, Key=key)
    assert store.head(image) is None


def test_a_listing_is_in_order_and_of_its_prefix_only(client: Any, bucket: str):
    archive = S3ArchiveStore(client, bucket=bucket, prefix="root")
    for number in range(12):
        archive.put(f"p/{number:05d}", b"")
    archive.put("q/1", b"")
    assert list(archive.keys("p/")) == [f"p/{number:05d}" for number in range(12)]


def test_the_archive_gives_back_what_was_put(client: Any, bucket: str):
    archive = S3ArchiveStore(client, bucket=bucket, prefix="a/b")
    archive.put("x y/1.gz", b"\0\xff" * 1000)
    assert archive.get("x y/1.gz") == b"\0\xff" * 1000
    assert archive.get("none") is None
    assert client.head_object(Bucket=bucket, Key="a/b/x y/1.gz")["ContentLength"] == 2000


def test_a_bucket_that_is_not_there(client: Any):
    name = f"none-{uuid.uuid4().hex}"
    assert S3ObjectStore(client).head(ImageRef(name, "k")) is None
    with pytest.raises(SetUpError):
        list(S3ObjectStore(client).list(name, ""))


def test_the_clock_hears_every_answer_also_of_errors(client: Any, bucket: str):
    clock = S3Clock(client)
    assert S3ObjectStore(client).head(ImageRef(bucket, "none")) is None
    assert clock.reading_age_ms() < 60_000
    assert clock.now_ms() > 1_700_000_000_000


TOO_LARGE_TO_HOLD = (2500, 3000)
"""Width and height of noise that is read in several requests: small objects are fetched whole, and so never half."""


def png(width: int, height: int, seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_an_image_is_read_by_ranges(client: Any, s3_client: BaseClient, bucket: str):
    body = png(1000, 1200, 1)
    assert len(body) > 4 * BLOCK_BYTES
    image = ImageRef(bucket, "an image+%.png")
    etag = s3_client.put_object(Bucket=bucket, Key=image.key, Body=body)["ETag"].strip('"')
    window = Window(col_off=100, row_off=1100, width=50, height=60)
    with RasterOpener(S3Reader(client))(image, etag=etag) as source:
        [(_, pixels)] = source.read_windows([window], bands=[1, 2, 3])
    expected = np.asarray(Image.open(io.BytesIO(body)))[1100:1160, 100:150].transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels.bands, expected)


def test_an_image_replaced_while_it_is_read_is_noticed(client: Any, bucket: str):
    image = ImageRef(bucket, "k.png")
    client.put_object(Bucket=bucket, Key="k.png", Body=png(*TOO_LARGE_TO_HOLD, 1))
    top, end = (Window(col_off=0, row_off=row, width=10, height=10) for row in (0, TOO_LARGE_TO_HOLD[1] - 10))
    with RasterOpener(S3Reader(client))(image, etag=None) as source:
        reading = source.read_windows([top, end], bands=[1])
        next(reading)
        client.put_object(Bucket=bucket, Key="k.png", Body=png(*TOO_LARGE_TO_HOLD, 2))
        with pytest.raises(ChangedError, match="PreconditionFailed"):
            next(reading)


def test_an_image_deleted_while_it_is_read_is_noticed(client: Any, bucket: str):
    client.put_object(Bucket=bucket, Key="k.png", Body=png(*TOO_LARGE_TO_HOLD, 1))
    with RasterOpener(S3Reader(client))(ImageRef(bucket, "k.png"), etag=None) as source:
        client.delete_object(Bucket=bucket, Key="k.png")
        with pytest.raises(ChangedError, match="NoSuchKey"):
            source.read_overview(bands=[1], max_px=100)


def test_an_empty_object_is_unreadable(client: Any, bucket: str):
    client.put_object(Bucket=bucket, Key="k.tif", Body=b"")
    with pytest.raises(UnreadableImageError), RasterOpener(S3Reader(client))(ImageRef(bucket, "k.tif"), etag=None):
        pass
