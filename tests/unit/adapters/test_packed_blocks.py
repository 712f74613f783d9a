"""Blocks in deflate, ZSTD and WebP by imagecodecs: equal to what rasterio reads, and GDAL has the last word."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from batch_job.adapters import packed_blocks, raster_pieces
from batch_job.adapters.decoders import decoder_of
from batch_job.adapters.packed_blocks import PackedBlocks, PackedPiece
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.raster_source import GdalRaster
from batch_job.errors import UnreadableImageError
from batch_job.imagery.grid import windows
from batch_job.values.image import ImageRef
from batch_job.values.raster import Pixels
from batch_job.values.spaces import ChipGrid, Window

IMAGE = ImageRef("bucket", "folder/key.tif")
WIDTH, HEIGHT = 300, 220
GRID = ChipGrid(image_width=WIDTH, image_height=HEIGHT, chip_px=90, overlap_px=13)
PHOTOMETRIC, FILL_ORDER, TILE_BYTE_COUNTS = 262, 266, 325
"""Tags of a TIFF."""
SHORT, LONG = 3, 4
"""Types of what stands under them."""
YCBCR = 6
BLOCKS = {"tiled": True, "blockxsize": 64, "blockysize": 64}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def noise(bands: int, dtype: str = "uint8", most: int = 127) -> NDArray[Any]:
    return np.random.default_rng(3).integers(1, most, (bands, HEIGHT, WIDTH)).astype(dtype)


def tiff(pixels: NDArray[Any], **profile: Any) -> bytes:
    bands, height, width = pixels.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    with MemoryFile() as file:
        with file.open(**{**facts, **BLOCKS, "interleave": "pixel", **profile}) as made:
            made.write(pixels)
        return bytes(file.read())


def as_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    shown = (pixels.bands % 251).astype(np.uint8)
    return np.repeat(shown, 3, axis=0) if shown.shape[0] == 1 else shown


@contextmanager
def opened(body: bytes) -> Iterator[GdalRaster]:
    with RasterOpener(ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        assert isinstance(source, GdalRaster)
        yield source


def put_together(source: GdalRaster, bands: tuple[int, ...]) -> NDArray[np.uint8]:
    rgb = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    for window, part in source.read_shown(windows(GRID), bands=bands, show=as_bytes):
        rows = slice(window.row_off, window.row_off + window.height)
        rgb[:, rows, window.col_off : window.col_off + window.width] = part.rgb
    return rgb


def whole(body: bytes, bands: tuple[int, ...]) -> NDArray[np.uint8]:
    with MemoryFile(body) as file, file.open() as theirs:
        read = theirs.read(list(bands))
    return as_bytes(Pixels(read, np.ones(read.shape[1:], np.bool_)))


@settings(max_examples=60, deadline=None)
@given(
    compress=st.sampled_from(["deflate", "zstd"]),
    predictor=st.sampled_from([1, 2]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    bands=st.sampled_from([1, 3, 4, 8]),
    chosen=st.sampled_from([(1, 2, 3), (3, 1, 2), (2, 2, 2)]),
    limits=st.sampled_from([(512, 192 << 20), (32, 192 << 20), (48, 100)]),
)
def test_blocks_are_what_rasterio_reads(
    compress: str, predictor: int, dtype: str, bands: int, chosen: tuple[int, ...], limits: tuple[int, int]
):
    body = tiff(
        noise(bands, dtype, 60_000 if dtype == "uint16" else 250),
        compress=compress, predictor=predictor, photometric="minisblack",
    )  # fmt: skip
    wanted = (1,) if bands == 1 else chosen
    with pytest.MonkeyPatch.context() as smaller, opened(body) as source:
        smaller.setattr(raster_pieces, "PIECE_PX", limits[0])
        smaller.setattr(raster_pieces, "MAX_ROW_BYTES", limits[1])
        assert isinstance(source.decoder, PackedBlocks)
        np.testing.assert_array_equal(put_together(source, wanted), whole(body, wanted))


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_blocks_are_what_rasterio_reads(lossless: bool):  # noqa: FBT001
    body = tiff(noise(3), compress="webp", webp_lossless=lossless)
    with opened(body) as source:
        assert isinstance(source.decoder, PackedBlocks)
        np.testing.assert_array_equal(put_together(source, (1, 2, 3)), whole(body, (1, 2, 3)))


def test_blocks_of_a_big_tiff_are_what_rasterio_reads():
    body = tiff(noise(3, "uint16"), compress="zstd", predictor=2, bigtiff="YES")
    with opened(body) as source:
        assert isinstance(source.decoder, PackedBlocks)
        np.testing.assert_array_equal(put_together(source, (1, 2, 3)), whole(body, (1, 2, 3)))


def test_blocks_are_decoded_by_us(monkeypatch: pytest.MonkeyPatch):
    decoded: list[Window] = []
    decode = PackedPiece.decode

    def noted(self: PackedPiece) -> Any:
        decoded.append(self.piece)
        values = decode(self)
        assert values is not None
        return values

    monkeypatch.setattr(PackedPiece, "decode", noted)
    with opened(tiff(noise(3), compress="deflate")) as source:
        put_together(source, (1, 2, 3))
    assert sum(place.width * place.height for place in decoded) == WIDTH * HEIGHT


LEFT_TO_GDAL = {
    "LZW": {"compress": "lzw"},
    "strips": {"compress": "deflate", "tiled": False, "blockxsize": WIDTH, "blockysize": 16},
    "bands apart": {"compress": "deflate", "interleave": "band"},
    "the high byte first": {"compress": "deflate", "endianness": "BIG"},
    "alpha": {"compress": "deflate", "count": 3, "photometric": "minisblack", "alpha": "YES"},
    "not compressed": {},
}


@pytest.mark.parametrize("name", LEFT_TO_GDAL)
def test_what_is_not_plain_is_left_to_gdal(name: str):
    body = tiff(noise(3), **LEFT_TO_GDAL[name])
    with opened(body) as source:
        assert source.decoder is None
        np.testing.assert_array_equal(put_together(source, (1, 2, 3)), whole(body, (1, 2, 3)))


def with_short(body: bytes, tag: int, number: int) -> bytes:
    """Give a TIFF's first directory, or one with this more in it, another number under a tag."""
    [first] = struct.unpack_from("<I", body, 4)
    [n_tags] = struct.unpack_from("<H", body, first)
    entries = {}
    for at in range(first + 2, first + 2 + 12 * n_tags, 12):
        entries[struct.unpack_from("<H", body, at)[0]] = body[at : at + 12]
    entries[tag] = struct.pack("<HHIHH", tag, SHORT, 1, number, 0)
    ordered = b"".join(entries[name] for name in sorted(entries))
    moved = body[:4] + struct.pack("<I", len(body)) + body[8:]
    return moved + struct.pack("<H", len(entries)) + ordered + bytes(4)


@pytest.mark.parametrize("compress", ["deflate", "zstd", "webp"])
def test_colours_that_gdal_turns_into_rgb_are_left_to_it(compress: str):
    body = tiff(noise(3), compress=compress, photometric="rgb")
    as_ycbcr = with_short(body, PHOTOMETRIC, YCBCR)
    assert (whole(as_ycbcr, (1, 2, 3)) != whole(body, (1, 2, 3))).any()
    with opened(as_ycbcr) as source:
        assert source.decoder is None
        np.testing.assert_array_equal(put_together(source, (1, 2, 3)), whole(as_ycbcr, (1, 2, 3)))


@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_grey_and_rgb_are_decoded_by_us(photometric: int):
    body = with_short(tiff(noise(1), compress="deflate"), PHOTOMETRIC, photometric)
    with opened(body) as source:
        assert isinstance(source.decoder, PackedBlocks)
        np.testing.assert_array_equal(put_together(source, (1,)), whole(body, (1,)))


@pytest.mark.parametrize("compress", ["deflate", "zstd"])
def test_bits_that_stand_the_other_way_round_are_left_to_gdal(compress: str):
    body = with_short(tiff(noise(3), compress=compress), FILL_ORDER, 2)
    with opened(body) as source:
        assert source.decoder is None


@pytest.mark.parametrize(
    ("dtype", "profile"),
    [("float32", {"predictor": 3}), ("int16", {}), ("uint32", {}), ("uint16", {"nbits": 12})],
    ids=str,
)
def test_only_whole_numbers_of_8_and_16_bits_are_plain(dtype: str, profile: dict[str, Any]):
    with opened(tiff(noise(3, dtype), compress="deflate", **profile)) as source:
        assert source.decoder is None


def test_large_blocks_are_left_to_gdal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packed_blocks, "MAX_BLOCK_BYTES", 64 * 64 * 3 - 1)
    with opened(tiff(noise(3), compress="deflate")) as source:
        assert source.decoder is None


def claiming(body: bytes, block_bytes: int) -> bytes:
    """Let every block of a TIFF say that it has so many bytes, which lie behind all else."""
    made = bytearray(body)
    [first] = struct.unpack_from("<I", made, 4)
    [n_tags] = struct.unpack_from("<H", made, first)
    for at in range(first + 2, first + 2 + 12 * n_tags, 12):
        tag, _, count, _ = struct.unpack_from("<HHII", made, at)
        if tag == TILE_BYTE_COUNTS:
            struct.pack_into("<HHII", made, at, tag, LONG, count, len(made))
            made += struct.pack(f"<{count}I", *[block_bytes] * count)
    return bytes(made) + bytes(block_bytes)


@pytest.mark.parametrize("compress", ["deflate", "zstd", "webp", "jpeg"])
def test_blocks_that_each_claim_to_be_all_of_the_file_are_not_held_together(compress: str):
    body = tiff(noise(3), compress=compress, blockxsize=16, blockysize=16, photometric="rgb")
    claimed = claiming(body, 64_000)
    piece = Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)
    with opened(body) as source:
        expected = put_together(source, (1, 2, 3))
        assert source.gdal.call(lambda: source.decoder.read(source.file, piece)) is not None
    with opened(claimed) as source:
        assert source.gdal.call(lambda: source.decoder.read(source.file, piece)) is None
        assert np.abs(put_together(source, (1, 2, 3)).astype(int) - expected).max() <= 1  # of JPEG


def test_noise_in_the_largest_blocks_of_its_kind_is_decoded_by_us():
    body = tiff(noise(3, most=256), compress="jpeg", jpeg_quality=100, photometric="rgb")
    piece = Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)
    with opened(body) as source:
        assert source.gdal.call(lambda: source.decoder.read(source.file, piece)) is not None


def test_a_piece_of_many_small_blocks_in_many_bands_is_left_to_gdal():
    bands = packed_blocks.MAX_BLOCK_BYTES // (WIDTH * HEIGHT) + 1
    body = tiff(np.repeat(noise(1), bands, axis=0), compress="zstd", photometric="minisblack")
    piece = Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)
    with opened(body) as source:
        assert source.gdal.call(lambda: source.decoder.read(source.file, piece)) is None
        np.testing.assert_array_equal(put_together(source, (1, 2, 3)), whole(body, (1, 2, 3)))


def broken(compress: str, change: str) -> bytes:
    body = bytearray(tiff(noise(3), compress=compress))
    with MemoryFile(bytes(body)) as file, file.open() as made:
        start = int(made.get_tag_item("BLOCK_OFFSET_2_1", "TIFF", bidx=1))
        size = int(made.get_tag_item("BLOCK_SIZE_2_1", "TIFF", bidx=1))
    if change == "cut":
        body[start + size // 2 : start + size] = bytes(size - size // 2)
    elif change == "turned bits":
        body[start + size // 2] ^= 0xFF
    elif change == "another block":
        smaller = tiff(noise(3)[:, :64, :32], compress=compress, blockxsize=32)
        with MemoryFile(smaller) as file, file.open() as made:
            at = int(made.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
            length = int(made.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
        body[start : start + length] = smaller[at : at + length]
    return bytes(body)


def ending(body: bytes) -> Any:
    try:
        with opened(body) as source:
            return put_together(source, (1, 2, 3)).tobytes()
    except UnreadableImageError as error:
        return str(error)


@pytest.mark.parametrize("change", ["cut", "turned bits", "another block"])
@pytest.mark.parametrize("compress", ["deflate", "zstd", "webp"])
def test_of_a_block_that_is_not_what_it_should_be_gdal_is_the_judge(
    compress: str, change: str, monkeypatch: pytest.MonkeyPatch
):
    body = broken(compress, change)
    ours = ending(body)
    monkeypatch.setattr(PackedBlocks, "of", lambda *_: None)
    assert ours == ending(body)


def test_a_block_that_is_left_out_is_read_by_gdal():
    body = tiff(np.zeros((3, HEIGHT, WIDTH), np.uint8), compress="deflate", sparse_ok=True)
    with opened(body) as source:
        assert isinstance(source.decoder, PackedBlocks)
        assert not put_together(source, (1, 2, 3)).any()


def test_no_decoder_is_chosen_for_what_is_neither_tiff_nor_jpeg():
    with MemoryFile() as file:
        with file.open(driver="PNG", width=WIDTH, height=HEIGHT, count=3, dtype="uint8") as made:
            made.write(noise(3))
        body = bytes(file.read())
    with opened(body) as source:
        assert source.gdal.call(lambda: decoder_of(source.blocks, source.facts, source.file)) is None
