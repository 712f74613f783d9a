"""Plain JPEG, row by row, by libvips: what it shows, what it leaves to GDAL, and that GDAL has the last word."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile

from batch_job.adapters import ranges, vips_rows
from batch_job.adapters.jpeg_stream import JpegStream
from batch_job.adapters.ranges import ObjectsInMemory, Portion, RangeReader
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.vips_rows import VipsError, VipsRows, loaded
from batch_job.errors import UnavailableError, UnreadableImageError
from batch_job.imagery.grid import windows
from batch_job.ports import RasterSource
from batch_job.values.image import ImageRef
from batch_job.values.raster import Pixels
from batch_job.values.spaces import ChipGrid, Window

IMAGE = ImageRef("bucket", "folder/key.jpg")
WIDTH, HEIGHT = 413, 299
GRID = ChipGrid(image_width=WIDTH, image_height=HEIGHT, chip_px=90, overlap_px=13)
GREY = np.array([0.299, 0.587, 0.114])

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.skipif(
        loaded() is None, reason="from Python 3.12 on GDAL decodes as fast, and libvips is not installed"
    ),
]

SMOOTH = np.stack(
    [
        (127 + 120 * np.sin((np.mgrid[:HEIGHT, :WIDTH][axis] + 9 * axis) / scale)).astype(np.uint8)
        for axis, scale in ((0, 23), (1, 37), (0, 91))
    ],
    axis=-1,
)
NOISE = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], *, mode: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


FULL = jpeg(SMOOTH, subsampling=0)
HALVED = jpeg(SMOOTH)
PLAIN = {
    "grey": jpeg(SMOOTH[..., 0]),
    "a colour for each pixel": FULL,
    "halved colours": HALVED,
    "colours halved across": jpeg(SMOOTH, subsampling=1),
    "restart markers": jpeg(NOISE, restart_marker_blocks=7),
    "noise": jpeg(NOISE),
    "comments and a thumbnail": jpeg(SMOOTH, comment=b"a" * 60_000, icc_profile=b"b" * 90_000),
}


def shown(pixels: Pixels) -> NDArray[np.uint8]:
    return np.repeat(pixels.bands, 3, axis=0) if pixels.bands.shape[0] == 1 else pixels.bands


@contextmanager
def opened(body: bytes, reader: RangeReader | None = None) -> Iterator[RasterSource]:
    with RasterOpener(reader or ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        yield source


def put_together(source: RasterSource, wanted: list[Window] | None = None) -> NDArray[np.uint8]:
    rgb = np.zeros((source.facts.height, source.facts.width, 3), np.uint8)
    bands = (1, 2, 3)[: source.facts.bands]
    for window, part in source.read_shown(wanted or windows(GRID), bands=bands, show=shown):
        rows = slice(window.row_off, window.row_off + window.height)
        rgb[rows, window.col_off : window.col_off + window.width] = part.rgb.transpose(1, 2, 0)
    return rgb


def by_pillow(body: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def by_gdal(body: bytes) -> NDArray[np.int64]:
    with MemoryFile(body) as file, file.open() as theirs:
        read = theirs.read().transpose(1, 2, 0).astype(int)
    return np.repeat(read, 3, axis=-1) if read.shape[-1] == 1 else read


# ---- what it shows


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_is_streamed_and_shown_as_other_decoders_show_it(name: str):
    with opened(PLAIN[name]) as source:
        np.testing.assert_array_equal(put_together(source), by_pillow(PLAIN[name]))
        assert source.decoder._rows is not None


@pytest.mark.parametrize("name", ["grey", "a colour for each pixel"])
def test_what_has_no_halved_colours_is_within_one_level_of_what_rasterio_reads(name: str):
    with opened(PLAIN[name]) as source:
        assert np.abs(put_together(source) - by_gdal(PLAIN[name])).max() <= 1


def test_halved_colours_are_within_one_level_of_grey():
    with opened(HALVED) as source:
        assert np.abs((put_together(source) - by_gdal(HALVED)) @ GREY).max() <= 1.5


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_windows_in_any_order_show_what_is_there(data: st.DataObject):
    def window() -> Window:
        col_off, row_off = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
        width, height = data.draw(st.integers(1, WIDTH - col_off)), data.draw(st.integers(1, HEIGHT - row_off))
        return Window(col_off=col_off, row_off=row_off, width=width, height=height)

    wanted = [window() for _ in range(data.draw(st.integers(1, 5)))]
    expected, bands = by_pillow(HALVED), data.draw(st.sampled_from([(1, 2, 3), (3, 1, 2), (2, 2, 2)]))
    with opened(HALVED) as source:
        for w, part in source.read_shown(wanted, bands=bands, show=shown):
            cut = expected[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]
            np.testing.assert_array_equal(part.rgb.transpose(1, 2, 0), cut[..., [band - 1 for band in bands]])


def test_rows_far_above_those_read_last_are_decoded_again():
    body = jpeg(np.random.default_rng(3).integers(0, 256, (6000, 64, 3)).astype(np.uint8))
    wanted = [Window(col_off=0, row_off=row_off, width=64, height=100) for row_off in (5000, 0, 2000)]
    with opened(body) as source:
        for w, part in source.read_shown(wanted, bands=(1, 2, 3), show=shown):
            np.testing.assert_array_equal(part.rgb.transpose(1, 2, 0), by_pillow(body)[w.row_off :][:100])
        assert source.decoder._rows is not None


# ---- what is GDAL's


def with_frame(body: bytes, kind: int) -> bytes:
    return body.replace(b"\xff\xc0", bytes([0xFF, kind]), 1)


LEFT_TO_GDAL = {
    "progressive": jpeg(SMOOTH, progressive=True),
    "CMYK": jpeg(SMOOTH, mode="CMYK"),
}


@pytest.mark.parametrize("name", LEFT_TO_GDAL)
def test_what_is_not_plain_is_left_to_gdal(name: str):
    with opened(LEFT_TO_GDAL[name]) as source:
        assert source.decoder is None


@pytest.mark.parametrize("kind", [0xC2, 0xC3, 0xC5, 0xC9, 0xCA])
def test_only_sequential_frames_of_huffman_codes_are_plain(kind: int):
    with opened(FULL) as source:
        facts = source.facts
    assert JpegStream.of(facts, io_read(FULL)) is not None
    assert JpegStream.of(facts, io_read(with_frame(FULL, kind))) is None


@pytest.mark.parametrize("length", [0, 2, 3, 30, 160, 300])
def test_a_head_that_ends_too_soon_is_not_plain(length: int):
    with opened(FULL) as source:
        facts = source.facts
    assert JpegStream.of(facts, io_read(FULL[:length])) is None


def hiding(marker: int) -> bytes:
    """A progressive picture behind comments that hold the head of a plain one; ``marker`` may lead a reader there."""
    plain = FULL[2 : FULL.index(b"\xff\xda") + 14]
    second = b"\xff\xfe" + (len(plain) + 2).to_bytes(2, "big") + plain
    # read as a segment, the marker ends 24 bytes before the first comment does: where another leads into the second
    over = b"\xff\xe0" + (24 + 4 - 2).to_bytes(2, "big")
    first = b"\xff\xe9\xff\xff" + over.ljust(24, b"\0").rjust(0xFFFF - 2, b"\0")
    return FULL[:2] + bytes([0xFF, marker]) + first + second + LEFT_TO_GDAL["progressive"][2:]


@pytest.mark.parametrize("marker", [0x01, 0xD0, 0xD7, 0xFF])
def test_no_marker_without_a_length_hides_a_frame(marker: int):
    body = hiding(marker)
    with opened(body) as source:
        assert source.decoder is None
        np.testing.assert_array_equal(put_together(source), by_gdal(LEFT_TO_GDAL["progressive"]))


def io_read(body: bytes) -> Any:
    return lambda start, length: body[start : start + length]


def ending(body: bytes) -> str:
    try:
        with opened(body) as source:
            put_together(source)
    except UnreadableImageError as error:
        return str(error)
    return "read"


def ending_of_gdal(body: bytes) -> str:
    with pytest.MonkeyPatch.context() as without:
        without.setattr(JpegStream, "of", lambda *_: None)
        return ending(body)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_cut_off_anywhere_ends_as_gdal_alone_says(data: st.DataObject):
    body = PLAIN[data.draw(st.sampled_from(["grey", "halved colours", "noise", "restart markers"]))]
    cut = body[: data.draw(st.integers(body.rindex(b"\xff\xda"), len(body) - 16))]
    assert ending(cut) == ending_of_gdal(cut) != "read"


@pytest.mark.parametrize("missing", [4, 40, 400])
def test_what_is_missing_of_the_last_rows_is_seen(missing: int):
    body = jpeg(NOISE, subsampling=0)  # so that the last rows are decoded alone
    cut = body[: -2 - missing] + body[-2:]
    assert ending(cut) == ending_of_gdal(cut)
    assert "premature end of data segment" in ending(cut)


def test_after_an_oddity_gdal_reads_the_rest(monkeypatch: pytest.MonkeyPatch):
    broken = bytearray(PLAIN["restart markers"])
    broken[len(broken) // 2 : len(broken) // 2 + 40] = bytes(40)
    with opened(bytes(broken)) as source:
        with pytest.raises(UnreadableImageError, match="libjpeg"):
            put_together(source)
        assert source.decoder._rows is None


def test_a_library_that_does_not_begin_is_not_used(monkeypatch: pytest.MonkeyPatch):
    def failing(_library: object) -> None:
        raise VipsError("no memory")

    monkeypatch.setattr(vips_rows, "_loaded", None)
    monkeypatch.setattr(vips_rows, "_prepare", failing)
    for _ in range(2):
        with opened(FULL) as source:
            assert source.decoder is None
            assert np.abs(put_together(source) - by_gdal(FULL)).max() == 0


# ---- how it reads


@dataclass
class Watched:
    """A store that notes what it is asked for, and may fail."""

    body: bytes
    fails_after: int = 1_000
    calls: list[int] = field(default_factory=list)

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        if len(self.calls) >= self.fails_after:
            raise UnavailableError("503")
        portion = ObjectsInMemory({IMAGE: self.body}).read_range(image, etag=etag, start=start, length=length)
        self.calls.append(len(portion.body))
        return portion


def large() -> bytes:
    return jpeg(np.random.default_rng(3).integers(0, 256, (2400, 2400, 3)).astype(np.uint8), quality=95)


def test_every_byte_is_fetched_once_in_few_large_requests(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    body = large()
    watched = Watched(body)
    grid = ChipGrid(image_width=2400, image_height=2400, chip_px=512, overlap_px=0)
    with opened(b"", watched) as source:
        put_together(source, list(windows(grid)))
    assert sum(watched.calls) <= 1.1 * len(body)
    assert len(watched.calls) <= 8


def test_a_store_that_fails_is_what_is_raised(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    with pytest.raises(UnavailableError, match="503"), opened(b"", Watched(large(), fails_after=2)) as source:
        put_together(source, [Window(col_off=0, row_off=0, width=2400, height=2400)])


def test_what_was_opened_is_let_go(monkeypatch: pytest.MonkeyPatch):
    gone: list[str] = []

    class Noted(io.BytesIO):
        def __del__(self) -> None:
            gone.append("file")

    rows = VipsRows.of_jpeg(Noted(HALVED).read)
    rows.fetch(row_off=0, rows=8, width=WIDTH)
    assert gone == []
    del rows
    assert gone == ["file"]
