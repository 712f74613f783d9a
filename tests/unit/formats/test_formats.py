"""Every format, layout, compression and type that we read shows the picture that was put into it.

``docs/formats.md`` lists what passed here: ``BACKFILL_REWRITE_GOLDEN=1 pytest …`` writes its table.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import BackfillError, TooLargeError, UnreadableImageError, UnsupportedImageError
from batch_job.imagery.grid import windows
from batch_job.imagery.picture import Picture, open_picture
from batch_job.settings import Stretch
from batch_job.values.image import LOCAL_FILES, ImageRef
from batch_job.values.spaces import ChipGrid
from tests.golden_files import REWRITE
from tests.unit.formats.cases import HEIGHT, TRUTH, WIDTH, Case, cases, gdal, image, nitf_around, pillow

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "formats.md"
REAL = ROOT.parent / "shared" / "imagery"
REAL_FILES = sorted(path.name for path in REAL.glob("*.*") if path.suffix != ".md")
IMAGE = ImageRef("bucket", "key")
CASES = cases()

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@contextmanager
def opened(body: bytes) -> Iterator[Picture]:
    with RasterOpener(ObjectsInMemory({IMAGE: body}))(IMAGE, etag=None) as source:
        yield open_picture(source, stretch=Stretch.JOINT)


def put_together(picture: Picture, *, chip_px: int, overlap_px: int):
    """The union of the chips, and whether each pixel is valid; chips that overlap must agree."""
    facts = picture.facts
    grid = ChipGrid(image_width=facts.width, image_height=facts.height, chip_px=chip_px, overlap_px=overlap_px)
    whole = np.zeros((3, facts.height, facts.width), np.uint8)
    valid, seen = np.zeros((2, facts.height, facts.width), bool)
    for window, rgb, is_valid in picture.read(windows(grid)):
        rows = slice(window.row_off, window.row_off + window.height)
        cols = slice(window.col_off, window.col_off + window.width)
        again = seen[rows, cols]
        assert (whole[:, rows, cols][:, again] == rgb[:, again]).all()
        whole[:, rows, cols], valid[rows, cols], seen[rows, cols] = rgb, is_valid, True
    assert seen.all()
    return whole, valid


def shows_its_picture(case: Case) -> bool:
    with opened(case.make()) as picture:
        whole, valid = put_together(picture, chip_px=64, overlap_px=13)
    off = np.abs(whole.astype(int) - case.seen)
    return bool(valid.all()) and (off.mean() <= case.within if case.within else not off.any())


def test_there_are_many_cases_and_none_twice():
    assert len(CASES) >= 130
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_chips_put_together_are_the_picture(case: Case):
    assert shows_its_picture(case)


@pytest.mark.parametrize("name", REAL_FILES)
def test_the_chips_of_a_real_file_put_together_are_its_pixels(name: str):
    file = ImageRef(LOCAL_FILES, str(REAL / name))
    with RasterOpener(ObjectsInMemory({}))(file, etag=None) as source, rasterio.open(file.key) as theirs:
        picture = open_picture(source, stretch=Stretch.JOINT)
        whole, valid = put_together(picture, chip_px=300, overlap_px=40)
        np.testing.assert_array_equal(valid, theirs.dataset_mask() > 0)
        if source.facts.dtypes[0] == "uint8":
            shown = theirs.read([1, 2, 3]) if theirs.count >= 3 else theirs.read([1, 1, 1])
            # decoders differ in how they spread halved colours; Pillow's is libjpeg-turbo, rasterio's not everywhere
            known = [shown * valid, by_pillow(Path(file.key))] if theirs.driver == "JPEG" else [shown * valid]
            assert any((whole == picture).all() for picture in known)
        else:
            assert (whole.min(), whole.max()) == (0, 255)


def by_pillow(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def test_two_workers_stretch_an_image_alike_whatever_part_of_it_they_cut():
    rng = np.random.default_rng(3)
    body = gdal(rng.integers(0, 9000, (3, 3000, 2500)).astype(np.uint16), tiled=True, blockxsize=256, blockysize=256)
    halves = []
    for rows in (slice(0, None, 2), slice(1, None, 2)):
        with opened(body) as picture:
            grid = ChipGrid(image_width=2500, image_height=3000, chip_px=700, overlap_px=200)
            chips = [window for n, window in enumerate(windows(grid)) if n // 5 % 2 == rows.start]
            halves.append((picture.limits, {window: rgb for window, rgb, _ in picture.read(chips)}))
    (limits, above), (same_limits, below) = halves
    assert limits == same_limits
    first = next(iter(above))
    under = next(window for window in below if window.row_off == 500)
    np.testing.assert_array_equal(above[first][:, 500:], below[under][:, :200])


# ---- docs/formats.md


def table() -> str:
    rows: dict[tuple[str, str, str], dict[str, None]] = {}
    for case in CASES:
        if shows_its_picture(case):
            rows.setdefault((case.format, case.layout, case.compression), {})[f"{case.dtype} {case.bands}"] = None
    by_kinds: dict[tuple[str, str, str], list[str]] = {}
    for (form, layout, compression), kinds in rows.items():
        by_kinds.setdefault((form, layout, ", ".join(kinds)), []).append(compression)
    head = "| format | layout | compression | types and bands |\n|---|---|---|---|\n"
    lines = [
        f"| {form} | {layout} | {', '.join(compressions)} | {kinds} |\n"
        for (form, layout, kinds), compressions in by_kinds.items()
    ]
    return head + "".join(lines)


def test_the_page_lists_what_passes():
    assert_listed(table())


def assert_listed(made: str) -> None:
    """The page has this table, found by its head; or gets it."""
    page = PAGE.read_text(encoding="utf-8")
    start = page.index(made.partition("\n")[0])
    end = start + page[start:].index("\n\n") + 1
    if os.environ.get(REWRITE) == "1":
        PAGE.write_text(page[:start] + made + page[end:], encoding="utf-8")
    else:
        assert page[start:end] == made


# ---- what is refused


def sequence(form: str) -> bytes:
    return pillow(image(), form, save_all=True, append_images=[image().rotate(180)])


def nitf_of(images: bytes) -> bytes:
    body = gdal(TRUTH, driver="NITF")
    return body[:360] + images + body[363:]


REFUSED = {
    "a TIFF of two pages": lambda: sequence("TIFF"),
    "an animated WebP": lambda: sequence("WEBP"),
    "an animated PNG": lambda: sequence("PNG"),
    "an animated GIF": lambda: sequence("GIF"),
    "a sound": lambda: b"RIFF\x24\0\0\0WAVEfmt ",
    "NITF 2.0": lambda: b"NITF02.00" + b" " * 900,
    "a NITF in vector quantization": lambda: nitf_around(b"\0" * 99, compression="C4", rate=b"0.75"),
    "a NITF of two images": lambda: nitf_of(b"002"),
    "a NITF of text alone": lambda: nitf_of(b"000"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_one_picture_of_ours_is_refused(what: str):
    with pytest.raises(UnsupportedImageError, match=r"bucket/key: .* read"), opened(REFUSED[what]()):
        pass


def test_smaller_copies_and_masks_are_no_sequence(tmp_path: Path):
    path = tmp_path / "image.tif"
    path.write_bytes(gdal(TRUTH))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as made:
        made.build_overviews([2, 4])
        made.write_mask(np.full((HEIGHT, WIDTH), 255, np.uint8))
    with opened(path.read_bytes()) as picture:
        assert picture.facts.width == WIDTH


def test_jpeg_2000_in_a_nitf_must_be_that():
    vrt = b"<VRTDataset rasterXSize='9' rasterYSize='9'></VRTDataset>"
    body = nitf_around(vrt, compression="C8", rate=b"N040")
    with pytest.raises(UnreadableImageError, match="something else"), opened(body):
        pass


@pytest.mark.parametrize("length", [0, 8, 100, 362, 370, 500, 700])
def test_a_nitf_cut_short_in_its_headers_is_an_input_error(length: int):
    body = gdal(TRUTH, driver="NITF")[: max(length, 9)]
    with pytest.raises(BackfillError), opened(body):
        pass


def test_a_webp_too_large_to_be_decoded_at_once_is_refused_by_its_header():
    body = pillow(image().resize((16_000, 40)), "WEBP", lossless=True)
    bits = int.from_bytes(body[21:25], "little")
    larger = bits | (0x3FFF << 14)  # of VP8L: 14 bits of width - 1, 14 of height - 1
    with (
        pytest.raises(TooLargeError, match="decoded as a whole"),
        opened(body[:21] + larger.to_bytes(4, "little") + body[25:]),
    ):
        pass
