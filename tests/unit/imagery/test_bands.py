import pytest

from batch_job.errors import UnsupportedImageError
from batch_job.imagery.bands import BandChoice, Colours, choose_bands
from batch_job.values.raster import RasterFacts

TABLE = ((0, 0, 0, 255), (255, 0, 0, 255))


def facts(*meanings: str, dtype: str = "uint8", palette: tuple[tuple[int, int, int, int], ...] = ()) -> RasterFacts:
    n = len(meanings)
    return RasterFacts(
        driver="GTiff",
        width=10,
        height=10,
        dtypes=(dtype,) * n,
        color_interp=meanings,
        nodata=(None,) * n,
        palette=palette,
    )


@pytest.mark.parametrize(
    ("meanings", "bands", "colours"),
    [
        (("red", "green", "blue"), (1, 2, 3), Colours.RGB),
        (("red", "green", "blue", "alpha"), (1, 2, 3), Colours.RGB),
        (("blue", "green", "red", "nir"), (3, 2, 1), Colours.RGB),
        (("alpha", "red", "green", "blue"), (2, 3, 4), Colours.RGB),
        (("gray",), (1,), Colours.GRAY),
        (("gray", "alpha"), (1,), Colours.GRAY),
        (("alpha", "gray"), (2,), Colours.GRAY),
        (("gray", "undefined"), (1,), Colours.GRAY),
        (("undefined", "undefined", "undefined"), (1, 2, 3), Colours.RGB),
        (("gray", "undefined", "undefined", "undefined"), (1, 2, 3), Colours.RGB),
        (("gray", "undefined", "undefined", "alpha"), (1, 2, 3), Colours.RGB),
        (("cyan", "magenta", "yellow", "black"), (1, 2, 3, 4), Colours.CMYK),
        (("cyan", "magenta", "yellow", "black", "alpha"), (1, 2, 3, 4), Colours.CMYK),
    ],
)
def test_bands_are_chosen_by_what_the_file_says_they_are(
    meanings: tuple[str, ...], bands: tuple[int, ...], colours: Colours
):
    assert choose_bands(facts(*meanings)) == BandChoice(bands=bands, colours=colours)


def test_a_colour_table_makes_a_band_a_picture():
    assert choose_bands(facts("palette", palette=TABLE)) == BandChoice(bands=(1,), colours=Colours.PALETTE)
    assert choose_bands(facts("palette", "alpha", palette=TABLE)).bands == (1,)


def test_a_palette_without_a_table_is_gray():
    assert choose_bands(facts("palette")) == BandChoice(bands=(1,), colours=Colours.GRAY)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_numbers_are_no_picture(dtype: str):
    with pytest.raises(UnsupportedImageError, match=f"band 1 holds complex numbers \\({dtype}\\)"):
        choose_bands(facts("gray", dtype=dtype))


@pytest.mark.parametrize("meanings", [(), ("alpha",)])
def test_no_band_to_show_is_said(meanings: tuple[str, ...]):
    with pytest.raises(UnsupportedImageError, match="no band shows anything"):
        choose_bands(facts(*meanings))
