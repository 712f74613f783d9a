import colorsys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from batch_job.imagery.bands import BandChoice, Colours, choose_bands
from batch_job.imagery.stretch import Limits, declared_limits, measure_limits, needs_measuring, to_rgb
from batch_job.settings import Stretch
from batch_job.values.raster import Pixels, RasterFacts

RGB = ("red", "green", "blue")


def facts_of(
    bands: NDArray[Any], meanings: tuple[str, ...], *, nodata: float | None = None, bits: int | None = None, **more: Any
) -> RasterFacts:
    n, height, width = bands.shape
    return RasterFacts(
        driver="GTiff",
        width=width,
        height=height,
        dtypes=(str(bands.dtype),) * n,
        color_interp=meanings,
        nodata=(nodata,) * n,
        bits=bits,
        **more,
    )


def whole(bands: NDArray[Any]) -> Pixels:
    return Pixels(bands, np.ones(bands.shape[1:], np.bool_))


def shown(
    pixels: Pixels, facts: RasterFacts, *, stretch: Stretch = Stretch.JOINT
) -> tuple[NDArray[np.uint8], Limits | None]:
    choice = choose_bands(facts)
    limits = measure_limits(pixels, choice, facts, stretch)
    return to_rgb(pixels, facts, choice, limits), limits


def noise(dtype: str, *, low: int = 0, high: int = 255, bands: int = 3) -> NDArray[Any]:
    return np.random.default_rng(7).integers(low, high, (bands, 40, 50), endpoint=True).astype(dtype)


def test_eight_bits_pass_as_they_are_and_no_overview_is_needed():
    bands = noise("uint8")
    facts = facts_of(bands, RGB)
    assert not needs_measuring(facts, choose_bands(facts))
    rgb, limits = shown(whole(bands), facts)
    assert limits is None
    np.testing.assert_array_equal(rgb, bands)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_other_types_fill_the_range_whatever_their_own(dtype: str):
    bands = noise(dtype, low=-100 if dtype[0] in "if" else 20, high=120)
    rgb, limits = shown(whole(bands), facts_of(bands, RGB))
    assert limits is not None
    assert rgb.dtype == np.uint8
    assert (rgb.min(), rgb.max()) == (0, 255)
    brighter = np.argsort(bands.ravel(), kind="stable")
    assert (np.diff(rgb.ravel()[brighter].astype(int)) >= 0).all()  # order is kept


@given(
    low=st.integers(-30_000, 29_000),
    width=st.integers(1, 3_000),
    dtype=st.sampled_from(["uint16", "int16"]),
)
def test_the_table_gives_what_arithmetic_gives(low: int, width: int, dtype: str):
    span = np.iinfo(dtype)
    values = np.random.default_rng(1).integers(span.min, span.max, (1, 16, 16), endpoint=True).astype(dtype)
    limits = Limits(lows=(float(low),), highs=(float(low + width),))
    facts = facts_of(values, ("gray",))
    choice = BandChoice(bands=(1,), colours=Colours.GRAY)
    expected = np.clip(np.rint((values[0].astype(np.float64) - low) * 255 / width), 0, 255)
    off = np.abs(to_rgb(whole(values), facts, choice, limits)[0].astype(int) - expected)
    assert off.max() <= 1  # the table is made in float32


def test_negative_numbers_are_darker_than_positive_ones():
    bands = np.array([[[-32_768, -500, 0, 500, 32_767]]], np.int16)
    choice = BandChoice(bands=(1,), colours=Colours.GRAY)
    rgb = to_rgb(whole(bands), facts_of(bands, ("gray",)), choice, Limits(lows=(-500.0,), highs=(500.0,)))
    assert rgb[0, 0].tolist() == [0, 0, 128, 255, 255]


def test_jointly_stretched_colours_keep_their_hue():
    gray = np.random.default_rng(3).normal(2000, 150, (1, 60, 60)).repeat(3, axis=0)
    gray[:, 10:14, 10:14] = np.array([2200, 1900, 1800])[:, None, None]  # a dull orange roof
    bands = gray.astype(np.uint16)
    rgb, _ = shown(whole(bands), facts_of(bands, RGB))
    hue, *_ = colorsys.rgb_to_hsv(*(rgb[:, 12, 12] / 255))
    assert hue == pytest.approx(colorsys.rgb_to_hsv(2200 - 1800, 1900 - 1800, 0)[0], abs=0.02)


def test_a_band_of_its_own_range_fills_it_when_bands_are_stretched_alone():
    bands = noise("uint16")
    bands[2] //= 4
    jointly, _ = shown(whole(bands), facts_of(bands, RGB))
    alone, limits = shown(whole(bands), facts_of(bands, RGB), stretch=Stretch.PER_BAND)
    assert jointly[2].max() < 80
    assert alone[2].max() == 255
    assert limits is not None
    assert len(set(limits.highs)) > 1


def test_outliers_do_not_darken_the_rest():
    bands = noise("uint16", low=100, high=200)
    bands[:, 0, :5] = 65_535
    _, limits = shown(whole(bands), facts_of(bands, RGB))
    assert limits is not None
    assert limits.highs[0] <= 200


def test_a_constant_image_is_shown_as_one_colour():
    for value in (0, 7, 65_535):
        bands = np.full((3, 20, 20), value, np.uint16)
        rgb, _ = shown(whole(bands), facts_of(bands, RGB))
        assert np.unique(rgb).size == 1


def test_few_bright_pixels_on_a_constant_ground_are_seen():
    bands = np.full((1, 100, 100), 50, np.uint16)
    bands[0, 3, 3] = 900
    rgb, _ = shown(whole(bands), facts_of(bands, ("gray",)))
    assert rgb[0, 3, 3] == 255
    assert rgb[0, 50, 50] == 0


def test_faint_noise_is_not_blown_up_to_a_picture():
    bands = np.random.default_rng(5).normal(5000, 5, (3, 80, 80)).astype(np.uint16)
    rgb, _ = shown(whole(bands), facts_of(bands, RGB))
    assert np.ptp(rgb.astype(int)) < 30


def test_what_is_not_valid_is_not_measured_and_black():
    bands = noise("uint16", low=1000, high=2000)
    valid = np.ones((40, 50), np.bool_)
    valid[:, :25] = False
    bands[:, :, :25] = 60_000
    rgb, limits = shown(Pixels(bands, valid), facts_of(bands, RGB))
    assert limits is not None
    assert limits.highs[0] <= 2000
    assert not rgb[:, :, :25].any()
    assert rgb[:, :, 25:].max() == 255


def test_nodata_of_one_band_is_not_measured_either():
    bands = noise("int16", low=100, high=200)
    bands[0, :, :10] = -9999
    _, limits = shown(whole(bands), facts_of(bands, RGB, nodata=-9999.0))
    assert limits is not None
    assert limits.lows[0] >= 90


def test_what_is_no_number_is_black():
    bands = np.random.default_rng(2).normal(0.3, 0.1, (1, 40, 40)).astype(np.float32)
    bands[0, :3] = np.nan
    bands[0, 3] = -np.inf
    bands[0, 4] = np.inf
    rgb, limits = shown(whole(bands), facts_of(bands, ("gray",)))
    assert limits is not None
    assert np.isfinite(limits.highs).all()
    assert not rgb[:, :4].any()
    assert (rgb[:, 4] == 255).all()


def test_an_image_without_a_valid_pixel_is_black():
    bands = np.full((1, 9, 9), np.nan, np.float32)
    rgb, _ = shown(Pixels(bands, np.zeros((9, 9), np.bool_)), facts_of(bands, ("gray",)))
    assert rgb.shape == (3, 9, 9)
    assert not rgb.any()


@pytest.mark.parametrize(("bits", "white"), [(1, 1), (2, 3), (4, 15)])
def test_few_bits_fill_the_range(bits: int, white: int):
    bands = noise("uint8", high=white, bands=1)
    facts = facts_of(bands, ("gray",), bits=bits)
    choice = choose_bands(facts)
    assert not needs_measuring(facts, choice)
    rgb = to_rgb(whole(bands), facts, choice, declared_limits(choice, facts))
    assert set(np.unique(rgb)) == {round(255 * value / white) for value in range(white + 1)}


def test_twelve_bits_are_measured_like_any_other_depth():
    bands = noise("uint16", low=200, high=3000)
    facts = facts_of(bands, RGB, bits=12)
    assert needs_measuring(facts, choose_bands(facts))
    assert shown(whole(bands), facts)[0].max() == 255


def test_gray_is_shown_three_times():
    bands = noise("uint8", bands=1)
    rgb, _ = shown(whole(bands), facts_of(bands, ("gray",)))
    np.testing.assert_array_equal(rgb, bands.repeat(3, axis=0))


def test_indices_are_looked_up_and_what_the_table_lacks_is_black():
    bands = np.array([[[0, 1, 2, 9]]], np.uint8)
    palette = ((1, 2, 3, 255), (250, 0, 10, 255), (0, 255, 0, 0))
    rgb, limits = shown(whole(bands), facts_of(bands, ("palette",), palette=palette))
    assert limits is None
    assert rgb[:, 0].T.tolist() == [[1, 2, 3], [250, 0, 10], [0, 255, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_inks_become_light(dtype: str):
    full = np.iinfo(dtype).max
    inks = np.array([[0, 0, 0, 0], [full, 0, 0, 0], [0, full, full, 0], [0, 0, 0, full]], dtype).T[:, None, :]
    facts = facts_of(inks, ("cyan", "magenta", "yellow", "black"))
    rgb, limits = shown(whole(inks), facts)
    assert limits is None
    assert rgb[:, 0].T.tolist() == [[255, 255, 255], [0, 255, 255], [255, 0, 0], [0, 0, 0]]
