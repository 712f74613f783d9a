"""One streamed pass over an image: what it shows, how often it makes a piece, how much it holds and fetches."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from batch_job.adapters import jpeg_blocks, ranges, raster_pieces
from batch_job.adapters.jpeg_blocks import CodedPiece, JpegBlocks
from batch_job.adapters.ranges import BLOCK_BYTES, ObjectsInMemory, Portion, RangeReader
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.raster_parts import Layout
from batch_job.adapters.raster_pieces import Cutter, Piece, PieceGrid
from batch_job.errors import UnavailableError, UnreadableImageError
from batch_job.imagery.grid import windows
from batch_job.ports import RasterSource
from batch_job.values.image import ImageRef
from batch_job.values.raster import Pixels
from batch_job.values.spaces import ChipGrid, Window

IMAGE = ImageRef("bucket", "folder/key.tif")
RGB = (1, 2, 3)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def noise(bands: int, height: int, width: int, dtype: str = "uint8", *, seed: int = 3) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(1, 127, (bands, height, width)).astype(dtype)


def tiff(pixels: NDArray[Any], *, mask: NDArray[Any] | None = None, **profile: Any) -> bytes:
    bands, height, width = pixels.shape
    facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    facts["transform"] = rasterio.Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 4_000_000.0)
    with MemoryFile() as file, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with file.open(**{**facts, **profile}) as made:
            made.write(pixels)
            if mask is not None:
                made.write_mask(mask)
        return file.read()


def pillow(pixels: NDArray[Any], form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(out, form, **options)
    return out.getvalue()


def as_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    """Shows the lowest bits of a number: exact where all are under 256."""
    shown = pixels.bands.astype(np.uint8)
    return np.repeat(shown, 3, axis=0) if shown.shape[0] == 1 else shown


@contextmanager
def opened(body: bytes, reader: RangeReader | None = None) -> Iterator[RasterSource]:
    with RasterOpener(reader or ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        yield source


def put_together(source: RasterSource, grid: ChipGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The union of the chips, and where they say that it is valid."""
    rgb = np.zeros((3, grid.image_height, grid.image_width), np.uint8)
    valid = np.zeros((grid.image_height, grid.image_width), np.bool_)
    seen = np.zeros_like(valid)
    for window, shown in source.read_shown(windows(grid), bands=RGB[: source.facts.bands], show=as_bytes):
        rows = slice(window.row_off, window.row_off + window.height)
        cols = slice(window.col_off, window.col_off + window.width)
        rgb[:, rows, cols], valid[rows, cols], seen[rows, cols] = shown.rgb, shown.valid, True
    assert seen.all()
    return rgb, valid


def whole(body: bytes) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    with MemoryFile(body) as file, file.open() as theirs:
        return theirs.read(), theirs.dataset_mask() > 0


LAYOUTS: dict[str, dict[str, Any]] = {
    "strips of 1 row": {"blockysize": 1},
    "strips of 7 rows": {"blockysize": 7, "compress": "deflate"},
    "one strip": {"blockysize": 10_000, "compress": "lzw"},
    "blocks of 16": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "zstd"},
    "blocks of 64 x 128": {"tiled": True, "blockxsize": 64, "blockysize": 128, "compress": "deflate"},
    "blocks of 256, bands apart": {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band"},
    "strips, bands apart": {"blockysize": 16, "interleave": "band", "compress": "packbits"},
}


@st.composite
def grids(draw: st.DrawFn) -> ChipGrid:
    chip_px = draw(st.integers(80, 400))
    sides = st.integers(1, 700)
    return ChipGrid(
        image_width=draw(sides),
        image_height=draw(sides),
        chip_px=chip_px,
        overlap_px=draw(st.integers(0, chip_px // 2)),
    )


# ---- the union of the chips is the image


@settings(max_examples=60, deadline=None)
@given(
    grid=grids(),
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    bands=st.sampled_from([1, 3, 4]),
    limits=st.sampled_from([(512, 8 << 20, 192 << 20), (32, 20_000, 192 << 20), (48, 5_000, 100)]),
)
def test_the_union_of_the_chips_is_the_image(
    grid: ChipGrid, layout: str, dtype: str, bands: int, limits: tuple[int, int, int]
):
    pixels = noise(bands, grid.image_height, grid.image_width, dtype)
    said = {"nodata": 5} if dtype != "float32" else {}
    body = tiff(pixels, **LAYOUTS[layout], **said)
    with pytest.MonkeyPatch.context() as smaller, opened(body) as source:
        for name, limit in zip(("PIECE_PX", "PIECE_BYTES", "MAX_ROW_BYTES"), limits, strict=True):
            smaller.setattr(raster_pieces, name, limit)
        smaller.setattr(raster_pieces, "MAX_PIECE_BYTES", 4 * limits[1])
        smaller.setattr(raster_pieces, "AHEAD_BYTES", limits[1])
        rgb, valid = put_together(source, grid)
    np.testing.assert_array_equal(rgb, as_bytes(Pixels(pixels[:3] if bands > 1 else pixels, valid)))
    expected = (pixels[:3] != 5).any(axis=0) if said else np.ones_like(valid)
    np.testing.assert_array_equal(valid, expected)


def cog(pixels: NDArray[Any]) -> bytes:
    with MemoryFile(tiff(pixels)) as file, file.open() as source, MemoryFile() as made:
        copy(source, made.name, driver="COG", compress="LZW", blocksize=128)
        return made.read()


NOWHERE = {"crs": None, "transform": rasterio.Affine.identity()}
LOSSLESS_FORMS: dict[str, Callable[[NDArray[Any]], bytes]] = {
    "PNG": lambda pixels: pillow(pixels, "PNG"),
    "JPEG 2000 in one piece": lambda pixels: pillow(pixels, "JPEG2000"),
    "JPEG 2000 in parts": lambda pixels: pillow(pixels, "JPEG2000", tile_size=(96, 64)),
    "WebP": lambda pixels: pillow(pixels, "WEBP", lossless=True),
    "NITF in rows": lambda pixels: tiff(pixels, driver="NITF", **NOWHERE),
    "NITF in blocks": lambda pixels: tiff(pixels, driver="NITF", blockxsize=64, blockysize=32, **NOWHERE),
    "BigTIFF, one strip for each band": lambda pixels: tiff(
        pixels, bigtiff="YES", interleave="band", blockysize=10_000, compress="zstd", endianness="BIG"
    ),
    "COG": cog,
}


@pytest.mark.parametrize("form", LOSSLESS_FORMS)
@settings(max_examples=8, deadline=None)
@given(grid=grids())
def test_the_union_of_the_chips_is_the_image_in_other_lossless_formats(form: str, grid: ChipGrid):
    pixels = noise(3, grid.image_height, grid.image_width)
    with opened(LOSSLESS_FORMS[form](pixels)) as source:
        np.testing.assert_array_equal(put_together(source, grid)[0], pixels)


@settings(max_examples=10, deadline=None)
@given(grid=grids())
def test_the_union_of_the_chips_of_a_jpeg_is_what_other_decoders_show(grid: ChipGrid):
    body = pillow(noise(3, grid.image_height, grid.image_width), "JPEG", quality=95)
    with opened(body) as source:
        theirs = np.asarray(Image.open(io.BytesIO(body))).transpose(2, 0, 1)
        np.testing.assert_array_equal(put_together(source, grid)[0], theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mask_inside_is_cut_with_the_pixels(layout: str):
    mask = np.where(noise(1, 300, 400, seed=4)[0] > 60, 255, 0).astype(np.uint8)
    body = tiff(noise(3, 300, 400), mask=mask, **LAYOUTS[layout])
    with opened(body) as source:
        _, valid = put_together(source, ChipGrid(image_width=400, image_height=300, chip_px=90, overlap_px=13))
    np.testing.assert_array_equal(valid, mask > 0)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_windows_in_any_order_show_what_is_there(data: st.DataObject):
    def window() -> Window:
        col_off, row_off = data.draw(st.integers(0, 399)), data.draw(st.integers(0, 299))
        width, height = data.draw(st.integers(1, 400 - col_off)), data.draw(st.integers(1, 300 - row_off))
        return Window(col_off=col_off, row_off=row_off, width=width, height=height)

    pixels, wanted = noise(3, 300, 400), [window() for _ in range(data.draw(st.integers(1, 6)))]
    bands = data.draw(st.sampled_from([(1, 2, 3), (3, 1, 2), (2, 2, 2)]))
    with (
        pytest.MonkeyPatch.context() as smaller,
        opened(tiff(pixels, **LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))])) as source,
    ):
        smaller.setattr(raster_pieces, "PIECE_PX", 32)
        smaller.setattr(raster_pieces, "PIECE_BYTES", 20_000)
        read = list(source.read_shown(wanted, bands=bands, show=as_bytes))
    assert [w for w, _ in read] == wanted
    for w, shown in read:
        cut = pixels[[band - 1 for band in bands], w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]
        np.testing.assert_array_equal(shown.rgb, cut)


def test_what_is_shown_is_interleaved_and_cannot_be_written_into():
    with opened(tiff(noise(3, 300, 400))) as source:
        [(_, shown)] = source.read_shown(
            [Window(col_off=10, row_off=10, width=90, height=80)], bands=RGB, show=as_bytes
        )
    assert shown.rgb.transpose(1, 2, 0).flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        shown.rgb[0, 0, 0] = 1


# ---- every piece once, and few at a time


@dataclass
class Maker:
    """Makes pieces that are made when they are looked at, and counts."""

    made: Counter[Window] = field(default_factory=Counter)

    def __call__(self, place: Window, _end_col: int) -> "Future[Future[Piece]]":
        self.made[place] += 1
        inner: Future[Piece] = Future()
        inner.set_result(Piece(np.empty((place.height, place.width, 3), np.uint8), None))
        outer: Future[Future[Piece]] = Future()
        outer.set_result(inner)
        return outer


@st.composite
def layouts(draw: st.DrawFn, grid: ChipGrid) -> Layout:
    block_width = draw(st.sampled_from([grid.image_width, 16, 64, 256]))
    block_height = draw(st.sampled_from([1, 3, 64, 512])) if block_width == grid.image_width else block_width
    return Layout(grid.image_width, grid.image_height, block_width, block_height, pixel_bytes=3)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_piece_is_made_once_whatever_the_layout(data: st.DataObject):
    grid = data.draw(grids())
    pieces, maker = PieceGrid.of(data.draw(layouts(grid)), pixel_bytes=3), Maker()
    for _ in Cutter(pieces, maker).cut(windows(grid)):
        pass
    everything = Window(col_off=0, row_off=0, width=grid.image_width, height=grid.image_height)
    assert maker.made == Counter(pieces.over(everything))
    assert sum(place.width * place.height for place in maker.made) == grid.image_width * grid.image_height


@pytest.mark.parametrize(
    ("block", "most_rows"),
    [((512, 512), 204 + 512), ((1024, 1024), 204 + 1024), ((60_000, 1), 1024 + 2 * 46), ((60_000, 16), 1024 + 2 * 46)],
    ids=str,
)
def test_of_a_wide_image_no_more_rows_are_held_than_chips_need(block: tuple[int, int], most_rows: int):
    grid = ChipGrid(image_width=60_000, image_height=6_000, chip_px=1024, overlap_px=204)
    pieces = PieceGrid.of(Layout(60_000, 6_000, *block, pixel_bytes=3), pixel_bytes=3)
    cutter = Cutter(pieces, Maker())
    most = 0
    for _ in cutter.cut(windows(grid)):
        made = sum(piece.rgb.nbytes for piece in cutter._made.values())
        begun = sum(place.width * place.height * 3 for place in cutter._begun)
        most = max(most, made + begun)
    a_chip = 3 * (1024 + 2 * block[1]) * (1024 + 2 * min(block[0], 1024)) if block[0] < 60_000 else 0
    assert most <= most_rows * 60_000 * 3 + 7 * raster_pieces.AHEAD_BYTES + 2 * a_chip


def test_once_a_piece_failed_no_others_are_begun_ahead():
    """A broken PNG is decoded from the top again for each."""
    begun: list[Window] = []

    def make(place: Window, _end_col: int) -> "Future[Future[Piece]]":
        begun.append(place)
        outer: Future[Future[Piece]] = Future()
        outer.set_exception(UnreadableImageError("broken"))
        return outer

    grid = ChipGrid(image_width=1_000_000, image_height=300, chip_px=256, overlap_px=0)
    pieces = PieceGrid.of(Layout(1_000_000, 300, 1_000_000, 1, pixel_bytes=3), pixel_bytes=3)
    with pytest.raises(UnreadableImageError):
        next(Cutter(pieces, make).cut(windows(grid)))
    assert len(begun) <= 3


# ---- how much is fetched


@dataclass
class Watched:
    """A store that notes what it is asked for."""

    body: bytes
    calls: list[tuple[int, int]] = field(default_factory=list)

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        self.calls.append((start, length))
        return ObjectsInMemory({IMAGE: self.body}).read_range(image, etag=etag, start=start, length=length)

    @property
    def n_bytes(self) -> int:
        return sum(min(length, len(self.body) - start) for start, length in self.calls)


FETCHED = {
    "blocks": ({"tiled": True, "blockxsize": 256, "blockysize": 256}, 4),
    "compressed blocks": ({"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}, 4),
    "blocks of one band": ({"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band"}, 10),
    "strips": ({"blockysize": 4}, 20),
    "strips of one band": ({"blockysize": 4, "interleave": "band"}, 10),
}
"""How they lie in the file, and how many blocks one request must bring at least."""


@pytest.mark.parametrize("layout", FETCHED)
def test_every_byte_is_fetched_about_once_in_few_large_requests(layout: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    monkeypatch.setattr(ranges, "MAX_BLOCKS_KEPT", 256)  # 16 MB of 38
    profile, blocks_a_request = FETCHED[layout]
    watched = Watched(tiff(noise(3, 3000, 4200), **profile))
    grid = ChipGrid(image_width=4200, image_height=3000, chip_px=1024, overlap_px=204)
    with opened(b"", watched) as source:
        n_blocks = -(-3000 // source.layout.block_height) * -(-4200 // source.layout.block_width)
        n_blocks *= 3 if "interleave" in profile else 1
        rows = sum(1 for _ in source.read_shown(windows(grid), bands=RGB, show=as_bytes))
    assert rows == 20
    assert watched.n_bytes <= 1.2 * len(watched.body)
    assert len(watched.calls) * blocks_a_request <= n_blocks


def test_of_a_part_of_the_image_little_else_is_fetched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    watched = Watched(tiff(noise(3, 3000, 4200), tiled=True, blockxsize=256, blockysize=256))
    with opened(b"", watched) as source:
        watched.calls.clear()
        part = Window(col_off=1024, row_off=1024, width=1024, height=1024)
        list(source.read_shown([part], bands=RGB, show=as_bytes))
    assert watched.n_bytes <= 1.2 * 16 * (256 * 256 * 3 + BLOCK_BYTES)
    assert len(watched.calls) <= 4


# ---- JPEG blocks

SMOOTH = np.stack(
    [
        (127 + 120 * np.sin(np.mgrid[:500, :600][axis] / scale)).astype(np.uint8)
        for axis, scale in ((0, 23), (1, 37), (0, 91))
    ]
)
JPEG = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "jpeg", "jpeg_quality": 90}
GRID = ChipGrid(image_width=600, image_height=500, chip_px=200, overlap_px=40)
JPEGS = {
    "grey": tiff(SMOOTH[:1], **JPEG),
    "no colour transform": tiff(SMOOTH, **JPEG, photometric="rgb"),
    "grey strips": tiff(SMOOTH[:1], compress="jpeg", blockysize=24),
    "strips": tiff(SMOOTH, compress="jpeg", blockysize=24, photometric="rgb"),
    "a mask": tiff(SMOOTH, mask=np.where(SMOOTH[0] > 60, 255, 0).astype(np.uint8), **JPEG, photometric="rgb"),
    "tables in each block": tiff(SMOOTH, **JPEG, photometric="rgb", jpegtablesmode=0),
    "bands apart": tiff(SMOOTH, **JPEG, interleave="band"),
    "four bands": tiff(noise(4, 500, 600), **JPEG),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_blocks_are_within_one_level_of_what_rasterio_reads(name: str):
    expected, valid = whole(JPEGS[name])
    with opened(JPEGS[name]) as source:
        rgb, ours_valid = put_together(source, GRID)
        assert (source.decoder is None) == (name in ("bands apart", "four bands"))
    assert np.abs(rgb.astype(int) - expected[:3]).max() <= 1
    np.testing.assert_array_equal(ours_valid, valid)


def test_jpeg_blocks_taller_than_a_piece_show_all_their_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raster_pieces, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(raster_pieces, "PIECE_PX", 48)
    with opened(JPEGS["no colour transform"]) as source:
        rgb, _ = put_together(source, GRID)
    assert np.abs(rgb.astype(int) - whole(JPEGS["no colour transform"])[0]).max() <= 1


def test_halved_colours_are_within_one_level_of_grey_and_exactly_what_other_decoders_show():
    body = tiff(SMOOTH, **JPEG, photometric="ycbcr")
    expected, _ = whole(body)
    with opened(body) as source:
        rgb, _ = put_together(source, GRID)
        [block] = source.gdal.call(
            lambda: source.decoder.read(source.file, Window(col_off=128, row_off=256, width=128, height=128))
        ).blocks
    grey = np.array([0.299, 0.587, 0.114])
    assert np.abs(np.tensordot(grey, rgb.astype(float) - expected, 1)).max() <= 1.5
    theirs = np.asarray(Image.open(io.BytesIO(block[1])).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(rgb[:, 256:384, 128:256], theirs)


def test_jpeg_blocks_too_large_for_every_thread_to_hold_one_are_left_to_gdal(monkeypatch: pytest.MonkeyPatch):
    name = "no colour transform"
    with opened(JPEGS[name]) as source:
        layout = source.layout
        assert isinstance(source.decoder, JpegBlocks)
    block_bytes = layout.block_width * layout.block_height * 3
    monkeypatch.setattr(jpeg_blocks, "MAX_BLOCK_BYTES", block_bytes - 1)
    with opened(JPEGS[name]) as source:
        assert source.decoder is None
        np.testing.assert_array_equal(put_together(source, GRID)[0], whole(JPEGS[name])[0])


def test_jpeg_blocks_are_decoded_by_us(monkeypatch: pytest.MonkeyPatch):
    decoded: list[Window] = []
    decode = CodedPiece.decode

    def noted(self: CodedPiece) -> Any:
        decoded.append(self.piece)
        return decode(self)

    monkeypatch.setattr(CodedPiece, "decode", noted)
    with opened(JPEGS["grey"]) as source:
        put_together(source, GRID)
    assert sum(place.width * place.height for place in decoded) == 500 * 600


def broken(change: str) -> bytes:
    """A TIFF of JPEG blocks, one of which is not what it should be."""
    body = bytearray(JPEGS["tables in each block"])
    with MemoryFile(bytes(body)) as file, file.open() as made:
        start = int(made.get_tag_item("BLOCK_OFFSET_2_1", "TIFF", bidx=1))
        size = int(made.get_tag_item("BLOCK_SIZE_2_1", "TIFF", bidx=1))
    frame = body.index(b"\xff\xc0", start)
    if change == "cut":
        body[start + size // 2 : start + size] = bytes(size - size // 2)
    elif change == "huge":
        body[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    elif change == "smaller":
        body[frame + 5 : frame + 9] = b"\0\x40\0\x40"
    elif change == "no start":
        body[start : start + 2] = b"\0\0"
    return bytes(body)


@pytest.mark.parametrize("change", ["cut", "huge", "smaller", "no start"])
def test_of_a_block_that_is_not_what_it_should_be_gdal_is_the_judge(change: str):
    body = broken(change)
    try:
        with opened(body) as source:
            everything = Window(col_off=0, row_off=0, width=600, height=500)
            [(_, pixels)] = source.read_windows([everything], bands=RGB)
    except UnreadableImageError as expected:
        with pytest.raises(UnreadableImageError) as raised, opened(body) as source:
            put_together(source, GRID)
        assert str(raised.value) == str(expected)  # noqa: PT017  either may be raised, but the same
    else:
        with opened(body) as source:
            np.testing.assert_allclose(put_together(source, GRID)[0], pixels.bands, atol=1)


# ---- what fails


def test_a_pass_that_is_left_in_the_middle_leaves_nothing_running():
    with opened(tiff(noise(3, 600, 700), **LAYOUTS["blocks of 16"])) as source:
        chips = source.read_shown(
            windows(ChipGrid(image_width=700, image_height=600, chip_px=80, overlap_px=0)), bands=RGB, show=as_bytes
        )
        next(chips)
        chips.close()
        [(_, pixels)] = source.read_windows([Window(col_off=5, row_off=5, width=9, height=9)], bands=RGB)
    assert pixels.bands.shape == (3, 9, 9)


def test_an_image_that_is_closed_in_the_middle_of_a_pass_is_closed():
    with opened(tiff(noise(3, 600, 700))) as source:
        chips = source.read_shown(
            windows(ChipGrid(image_width=700, image_height=600, chip_px=80, overlap_px=0)), bands=RGB, show=as_bytes
        )
        next(chips)
    chips.close()


def test_what_a_show_raises_comes_out_of_the_pass():
    def show(_pixels: Pixels) -> NDArray[np.uint8]:
        raise UnreadableImageError("odd")

    with opened(tiff(noise(3, 60, 70))) as source, pytest.raises(UnreadableImageError, match="odd"):
        list(source.read_shown([Window(col_off=0, row_off=0, width=9, height=9)], bands=RGB, show=show))


def test_what_fails_below_comes_out_of_the_pass(monkeypatch: pytest.MonkeyPatch):
    class Failing(Watched):
        def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
            if len(self.calls) > 2:
                raise UnavailableError("503")
            return super().read_range(image, etag=etag, start=start, length=length)

    monkeypatch.setattr(ranges, "SMALL_BYTES", 0)
    grid = ChipGrid(image_width=4200, image_height=3000, chip_px=1024, overlap_px=204)
    body = tiff(noise(3, 3000, 4200), tiled=True, blockxsize=256, blockysize=256)
    with pytest.raises(UnavailableError, match="503"), opened(b"", Failing(body)) as source:
        list(source.read_shown(windows(grid), bands=RGB, show=as_bytes))
