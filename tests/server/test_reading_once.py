"""How many requests a pass over an image takes, counted where botocore sends them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from batch_job.adapters.ranges import BLOCK_BYTES, MAX_BLOCKS_KEPT
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.s3 import S3Reader, s3_client
from batch_job.imagery.grid import windows
from batch_job.values.image import ImageRef
from batch_job.values.raster import Pixels
from batch_job.values.spaces import ChipGrid
from local.emulator import KEY, REGION

pytestmark = pytest.mark.server

WIDTH, HEIGHT, BLOCK_PX = 4_100, 3_000, 256
BLOCKS = 17 * 12
COG = {"driver": "COG", "blocksize": BLOCK_PX, "overviews": "NONE"}
STRIPS = {"driver": "GTiff", "blockysize": 8, "compress": "deflate"}


@pytest.fixture
def client(s3_endpoint: str) -> Iterator[Any]:
    made = s3_client(endpoint_url=s3_endpoint, region=REGION, access_key=KEY, secret_key=KEY)
    yield made
    made.close()


def image(**profile: Any) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(8).integers(0, 256, (3, HEIGHT, WIDTH), np.uint8)
    facts = {"width": WIDTH, "height": HEIGHT, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32618", "transform": rasterio.Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 4_000_000.0)}
    with MemoryFile() as file:
        with file.open(**facts, **place, **profile) as made:
            made.write(pixels)
        return file.read(), pixels


def as_it_is(pixels: Pixels) -> np.ndarray:
    return pixels.bands


@pytest.mark.parametrize(
    ("profile", "most_requests"),
    [
        ({**COG, "compress": "deflate"}, BLOCKS // 4),
        ({**COG, "compress": "zstd"}, BLOCKS // 4),
        ({**COG, "compress": "none"}, BLOCKS // 4),
        (STRIPS, 20),
    ],
    ids=["COG, deflate", "COG, ZSTD", "COG, uncompressed", "strips"],
)
def test_a_pass_gets_every_byte_about_once_in_few_large_ranges_of_one_version(
    client: Any, bucket: str, profile: dict[str, Any], most_requests: int
):
    body, expected = image(**profile)
    assert len(body) > 2 * MAX_BLOCKS_KEPT * BLOCK_BYTES  # so that what is asked for late is gone
    place = ImageRef(bucket, "an image.tif")
    etag = client.put_object(Bucket=bucket, Key=place.key, Body=body)["ETag"].strip('"')
    sent: list[tuple[str, int]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        first, last = params["headers"]["Range"].removeprefix("bytes=").split("-")
        sent.append((params["headers"]["If-Match"], int(last) - int(first) + 1))

    client.meta.events.register("before-call.s3.GetObject", note)
    grid = ChipGrid(image_width=WIDTH, image_height=HEIGHT, chip_px=1024, overlap_px=204)
    with RasterOpener(S3Reader(client))(place, etag=etag) as source:
        for window, shown in source.read_shown(windows(grid), bands=(1, 2, 3), show=as_it_is):
            rows = slice(window.row_off, window.row_off + window.height)
            cols = slice(window.col_off, window.col_off + window.width)
            np.testing.assert_array_equal(shown.rgb, expected[:, rows, cols])
    assert {match.strip('"') for match, _ in sent} == {etag}
    assert sum(n_bytes for _, n_bytes in sent) <= 1.2 * len(body) + 8 * BLOCK_BYTES
    assert len(sent) <= most_requests
