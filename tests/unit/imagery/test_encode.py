from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from batch_job.errors import TooLargeError
from batch_job.imagery.encode import REKOGNITION_LIMITS, ChipLimits, encode, is_blank, unscaled_frame
from batch_job.settings import Encoding
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, Window

IMAGE = ImageRef("b", "k.tif")


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (3, height, width), np.uint8)


def smooth(width: int, height: int) -> NDArray[np.uint8]:
    ramp = np.linspace(0, 200, width, dtype=np.uint8)
    return np.broadcast_to(ramp, (3, height, width)).copy()


def encoded(
    rgb: NDArray[np.uint8],
    *,
    encoding: Encoding = Encoding.JPEG,
    quality: int = 90,
    limits: ChipLimits = REKOGNITION_LIMITS,
) -> tuple[Chip, NDArray[np.uint8]]:
    window = Window(col_off=5, row_off=7, width=rgb.shape[2], height=rgb.shape[1])
    chip = encode(IMAGE, window, rgb, encoding=encoding, quality=quality, limits=limits)
    picture = Image.open(BytesIO(chip.body))
    assert picture.size == (chip.frame.encoded_width, chip.frame.encoded_height)
    assert chip.media_type == f"image/{picture.format.lower()}"
    assert len(chip.body) <= limits.max_bytes
    assert max(picture.size) <= limits.max_side_px
    assert min(picture.size) >= limits.min_side_px
    return chip, np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def test_png_keeps_every_pixel():
    rgb = noise(120, 90)
    chip, seen = encoded(rgb, encoding=Encoding.PNG)
    np.testing.assert_array_equal(seen, rgb)
    assert (chip.frame.content_width, chip.frame.content_height) == (120, 90)


@pytest.mark.parametrize("order", ["C", "F", "transposed", "interleaved"])
def test_pixels_in_any_order_in_memory_are_encoded_alike(order: str):
    rgb = noise(120, 90)
    stored = {
        "C": rgb,
        "F": np.asfortranarray(rgb),
        "transposed": rgb.transpose(0, 2, 1).copy().transpose(0, 2, 1),
        "interleaved": rgb.transpose(1, 2, 0).copy().transpose(2, 0, 1),
    }[order]
    for encoding in Encoding:
        assert encoded(stored, encoding=encoding)[0].body == encoded(rgb, encoding=encoding)[0].body


def test_jpeg_is_near_what_went_in():
    rgb = smooth(200, 100)
    _, seen = encoded(rgb)
    assert np.abs(seen.astype(int) - rgb).max() <= 4


def test_the_colour_of_a_small_object_survives_jpeg():
    rgb = np.full((3, 100, 100), 110, np.uint8)
    rgb[:, 41:46, 41:53] = np.array([220, 20, 20])[:, None, None]
    _, seen = encoded(rgb)
    edge = seen[:, 41, 42:52].astype(int)
    assert edge[0].min() > 190
    assert edge[1:].max() < 60


def test_a_higher_quality_takes_more_bytes():
    rgb = noise(100, 100)
    assert len(encoded(rgb, quality=95)[0].body) > len(encoded(rgb, quality=50)[0].body)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize(("width", "height"), [(10, 15), (79, 300), (300, 79), (1, 1)])
def test_small_chips_are_padded_with_black_right_and_below(width: int, height: int, encoding: Encoding):
    rgb = np.full((3, height, width), 200, np.uint8)
    chip, seen = encoded(rgb, encoding=encoding)
    frame = chip.frame
    assert frame == unscaled_frame(frame.window)
    assert (frame.content_width, frame.content_height) == (width, height)
    assert (frame.encoded_width, frame.encoded_height) == (max(width, 80), max(height, 80))
    assert seen[:, :height, :width].mean() > 150
    assert seen[:, height + 8 :].sum() == seen[:, :, width + 8 :].sum() == 0


def test_too_many_bytes_cost_quality_first():
    rgb = noise(200, 200)
    fine = len(encoded(rgb, quality=95)[0].body)
    chip, _ = encoded(rgb, quality=95, limits=ChipLimits(min_side_px=80, max_side_px=10_000, max_bytes=fine - 1))
    assert (chip.frame.content_width, chip.frame.content_height) == (200, 200)


def test_then_they_cost_size_over_exactly_the_same_ground():
    rgb = smooth(401, 300)
    limits = ChipLimits(min_side_px=80, max_side_px=10_000, max_bytes=len(encoded(rgb, quality=60)[0].body) - 1)
    chip, seen = encoded(rgb, quality=90, limits=limits)
    frame = chip.frame
    assert (frame.content_width, frame.content_height) == (201, 150)
    assert (frame.window.width, frame.window.height) == (401, 300)
    middle = frame.content_width / 2
    assert seen[0, 50, int(middle)] == pytest.approx(100, abs=4)  # half way is still half way
    assert seen[0, 50, frame.content_width - 1] == pytest.approx(200, abs=4)


def test_a_scaled_pixel_is_the_mean_of_those_it_stands_for():
    checkers = (np.indices((200, 200)).sum(axis=0) % 2 * 200).astype(np.uint8)
    limits = ChipLimits(min_side_px=80, max_side_px=100, max_bytes=5_242_880)
    _, seen = encoded(np.stack([checkers] * 3), encoding=Encoding.PNG, limits=limits)
    assert np.unique(seen).tolist() == [100]


def test_a_noisy_png_over_the_limit_is_scaled_and_stays_png():
    limits = ChipLimits(min_side_px=80, max_side_px=10_000, max_bytes=60_000)
    chip, _ = encoded(noise(200, 200), encoding=Encoding.PNG, limits=limits)
    assert chip.frame.content_width == 100


def test_a_scaled_strip_is_still_padded_to_the_least_side():
    limits = ChipLimits(min_side_px=80, max_side_px=400, max_bytes=5_242_880)
    chip, _ = encoded(smooth(1000, 90), limits=limits)
    assert (chip.frame.content_width, chip.frame.content_height) == (250, 23)
    assert (chip.frame.encoded_width, chip.frame.encoded_height) == (250, 80)


def test_the_worst_chip_of_the_largest_size_fits_rekognition():
    chip, _ = encoded(noise(3000, 2500), quality=100)
    assert len(chip.body) <= 5_242_880


def test_limits_that_nothing_fits_are_an_error():
    limits = ChipLimits(min_side_px=80, max_side_px=100, max_bytes=50)
    with pytest.raises(TooLargeError, match=r"s3://b/k\.tif .* no picture of it has at most 50 bytes"):
        encoded(noise(90, 90), limits=limits)


def test_a_chip_says_where_it_was_cut():
    window = Window(col_off=5, row_off=7, width=100, height=90)
    assert unscaled_frame(window).window == window
    assert encoded(smooth(100, 90))[0].frame.window == window
    assert encoded(smooth(100, 90))[0].image == IMAGE


ALL = np.ones((90, 100), np.bool_)


def test_one_colour_is_blank():
    assert is_blank(np.full((3, 90, 100), 17, np.uint8), ALL)
    assert is_blank(np.broadcast_to(np.array([1, 2, 3], np.uint8)[:, None, None], (3, 90, 100)), ALL)


@pytest.mark.parametrize(("levels", "is_flat"), [(0, True), (2, True), (3, False)])
def test_what_differs_by_next_to_nothing_is_blank(levels, is_flat):
    rgb = np.full((3, 90, 100), 17, np.uint8)
    rgb[1, 44, 55] += levels
    assert is_blank(rgb, ALL) is is_flat
    apart = np.array([10, 200, 90], np.uint8)[:, None, None] + noise(100, 90) % 3
    assert is_blank(apart.astype(np.uint8), ALL)


def test_the_noise_of_jpeg_in_a_border_without_data_is_blank():
    border = np.zeros((256, 256, 3), np.uint8)
    border[250:] = 60  # the picture begins just below
    out = BytesIO()
    Image.fromarray(border).save(out, "JPEG", quality=75)
    decoded = np.asarray(Image.open(out)).transpose(2, 0, 1)[:, :248]
    assert decoded.shape == (3, 248, 256)
    assert is_blank(decoded, np.ones((248, 256), bool))


@pytest.mark.parametrize(("n_valid", "is_empty"), [(0, True), (9, True), (10, False), (500, False)])
def test_a_thousandth_of_a_chip_must_be_picture(n_valid, is_empty):
    valid = np.zeros((100, 100), bool)
    valid.flat[37 : 37 + n_valid] = True
    assert is_blank(noise(100, 100), valid) is is_empty


def test_nothing_valid_is_blank_whatever_the_pixels():
    assert is_blank(noise(100, 90), ~ALL)


def test_one_differing_pixel_is_a_picture():
    for band, row, col in ((0, 0, 0), (1, 89, 99), (2, 44, 51)):
        rgb = np.full((3, 90, 100), 17, np.uint8)
        rgb[band, row, col] = 20
        assert not is_blank(rgb, ALL)


def test_pixels_that_are_not_valid_do_not_count():
    rgb = np.full((3, 90, 100), 17, np.uint8)
    rgb[:, :40] = 0
    valid = ALL.copy()
    assert not is_blank(rgb, valid)
    valid[:40] = False
    assert is_blank(rgb, valid)


def test_a_picture_is_seen_in_a_part_of_a_larger_array():
    assert not is_blank(noise(300, 90)[:, :, 100:200], ALL)
