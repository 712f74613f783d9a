import struct
import sys
from collections.abc import Callable, Iterator

import pytest
from rasterio import Affine

from tests.fuzz.images import Worker, run
from tests.fuzz.mutations import MASKED_EVERY, MUTATIONS, Damaged, damage
from tests.fuzz.originals import HEIGHT, masks, originals, tiff_of
from tests.fuzz.visit import MOST_CHIPS, Kind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bounds and peaks of memory are Linux's")

A_FEW = range(20)
HEIGHT_TAG = 257
LONG = 4


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return originals()


@pytest.fixture(scope="module")
def beside() -> dict[str, bytes]:
    return masks()


@pytest.fixture(scope="module")
def broken(files: dict[str, bytes], beside: dict[str, bytes]) -> Callable[[int], Damaged]:
    return lambda seed: damage(seed, files, beside)


@pytest.fixture(scope="module")
def worker(files: dict[str, bytes]) -> Iterator[Worker]:
    made = Worker(files["png"])
    yield made
    made.stop()


def with_height(tiff: bytes, rows: int) -> bytes:
    """Claim another height in a little-endian TIFF's first directory."""
    [start] = struct.unpack_from("<I", tiff, 4)
    [entries] = struct.unpack_from("<H", tiff, start)
    places = [start + 2 + 12 * n for n in range(entries)]
    [at] = [place for place in places if struct.unpack_from("<H", tiff, place)[0] == HEIGHT_TAG]
    return tiff[:at] + struct.pack("<HHII", HEIGHT_TAG, LONG, 1, rows) + tiff[at + 12 :]


def with_part_height(jp2: bytes, rows: int, *, of: int = HEIGHT) -> bytes:
    """Claim another height of the parts (YTsiz), and of the image (Ysiz), in a JPEG 2000."""
    siz, ihdr = jp2.find(b"\xff\x4f\xff\x51"), jp2.find(b"ihdr")
    claimed = bytearray(jp2)
    for at, value in ((siz + 28, rows), (siz + 12, of), (ihdr + 4, of)):
        struct.pack_into(">I", claimed, at, value)
    return bytes(claimed)


def test_damaged_images_end_as_chips_or_as_input_errors(
    files: dict[str, bytes], broken: Callable[[int], Damaged]
) -> None:
    endings = dict(run(A_FEW, broken, workers=2, example=files["png"]))
    assert set(endings) == set(A_FEW)
    assert not {seed: ending for seed, ending in endings.items() if not ending.kind.is_fine}


def test_every_original_passes_whole_but_complex_numbers_and_sequences(files: dict[str, bytes], worker: Worker) -> None:
    endings = {name: worker.visit(body) for name, body in files.items()}
    refused = {name: ending.what for name, ending in endings.items() if ending.kind is not Kind.CHIPS}
    assert refused == {"complex": "unsupported", "tiff-multipage": "unsupported"}


def test_every_mask_passes_whole_beside_an_image(
    files: dict[str, bytes], beside: dict[str, bytes], worker: Worker
) -> None:
    endings = {name: worker.visit(files["planar"], body) for name, body in beside.items()}
    assert {ending.kind for ending in endings.values()} == {Kind.CHIPS}
    assert worker.visit(files["planar"], b"").what == "unreadable"


def test_a_seed_always_gives_the_same_file(broken: Callable[[int], Damaged]) -> None:
    assert [broken(seed) for seed in A_FEW] == [broken(seed) for seed in A_FEW]


def test_some_seeds_break_a_mask_beside_a_good_image(files: dict[str, bytes], broken: Callable[[int], Damaged]) -> None:
    made = [broken(seed) for seed in range(4 * MASKED_EVERY)]
    assert [one.mask is not None for one in made].count(True) == 4
    assert {one.body for one in made if one.mask is not None} <= set(files.values())


def test_every_kind_of_damage_happens(broken: Callable[[int], Damaged]) -> None:
    stories = " ".join(broken(seed).story for seed in range(100))
    assert not [mutation.__name__ for mutation in MUTATIONS if mutation.__name__ not in stories]


def test_a_tiff_that_claims_two_thousand_million_rows_is_refused_at_once(
    files: dict[str, bytes], worker: Worker
) -> None:
    assert worker.visit(with_height(files["cmyk"], 2**31 - 1)).kind is Kind.REFUSED


def test_a_jpeg_2000_whose_pieces_are_larger_than_memory_is_too_large(files: dict[str, bytes], worker: Worker) -> None:
    ending = worker.visit(with_part_height(files["jp2"], 2**31 - 1))
    assert (ending.kind, ending.what) == (Kind.REFUSED, "too_large")


def test_a_jpeg_2000_of_very_many_parts_is_too_large_before_it_is_opened(
    files: dict[str, bytes], worker: Worker
) -> None:
    ending = worker.visit(with_part_height(files["jp2"], 1, of=65_535))
    assert (ending.kind, ending.what) == (Kind.REFUSED, "too_large")


def test_an_image_whose_exif_gdal_complains_of_is_refused(files: dict[str, bytes], worker: Worker) -> None:
    body = files["jpeg-exif"]
    start = body.index(b"Exif\0\0") + len(b"Exif\0\0")
    beyond_its_end = struct.pack("<I" if body[start : start + 2] == b"II" else ">I", 2**25)
    ending = worker.visit(body[: start + 4] + beyond_its_end + body[start + 8 :])
    assert (ending.kind, ending.what) == (Kind.REFUSED, "unreadable")


def test_an_image_whose_pixels_are_larger_than_earth_is_done_at_once(worker: Worker) -> None:
    assert worker.visit(tiff_of(transform=Affine(-1e-142, 0, 388_000, 0, -2e16, 5_822_000))).kind is Kind.CHIPS


def test_a_crash_and_a_hang_are_endings_and_the_next_file_has_a_new_process(files: dict[str, bytes]) -> None:
    worker = Worker(files["png"])
    try:
        assert worker.visit(files["png"], timeout_s=0).kind is Kind.HANG
        worker._process.kill()
        assert worker.visit(files["png"]).kind is Kind.CRASH
        assert worker.visit(files["png"]).kind is Kind.CHIPS
    finally:
        worker.stop()


def test_an_image_without_data_is_left_after_enough_chips(files: dict[str, bytes], worker: Worker) -> None:
    ending = worker.visit(with_height(files["one-bit"], 800_000))
    assert (ending.kind, ending.what) == (Kind.CHIPS, f"enough after {MOST_CHIPS} chips")
