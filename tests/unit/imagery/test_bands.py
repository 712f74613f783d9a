import pytest

from batch_job.errors import UnsupportedImageError
from batch_job.imagery.bands import BandChoice, Colours, choose_bands
from batch_job.imagery.presets import PRESETS
from batch_job.settings import BandOrder
from batch_job.values.raster import RasterFacts

TABLE = ((0, 0, 0, 255), (255, 0, 0, 255))


def facts(
    *meanings: str,
    dtype: str = "uint8",
    palette: tuple[tuple[int, int, int, int], ...] = (),
    descriptions: tuple[str, ...] = (),
) -> RasterFacts:
    n = len(meanings)
    return RasterFacts(
        driver="GTiff",
        width=10,
        height=10,
        dtypes=(dtype,) * n,
        color_interp=meanings,
        nodata=(None,) * n,
        palette=palette,
        descriptions=descriptions,
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


# ---- what bands are called


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (("Blue", "Green", " RED ", "NIR"), (3, 2, 1)),
        (("", "red", "", "green", "blue"), (2, 4, 5)),
        (("B02", "B03", "B04", "B08"), (3, 2, 1)),
        (("B01", "B02", "B03", "B04", "B05"), (4, 3, 2)),
        (("B4", "B3", "B2"), (1, 2, 3)),  # red of Landsat 8 is infrared of Landsat 7
        (("", "", ""), (1, 2, 3)),
    ],
)
def test_what_the_file_calls_its_bands_comes_before_their_order(names: tuple[str, ...], bands: tuple[int, ...]):
    meanings = ("gray", *["undefined"] * (len(names) - 1))
    assert choose_bands(facts(*meanings, descriptions=names)) == BandChoice(bands=bands, colours=Colours.RGB)


# ---- what the user wants


def many(n_bands: int, *more: str) -> RasterFacts:
    return facts("gray", *["undefined"] * (n_bands - 1), *more, dtype="uint16")


@pytest.mark.parametrize(
    ("wanted", "n_bands", "bands"),
    [
        ("sentinel2", 13, (4, 3, 2)),
        ("sentinel2", 12, (4, 3, 2)),
        ("sentinel2", 10, (3, 2, 1)),
        ("sentinel2", 4, (3, 2, 1)),
        ("landsat8", 11, (4, 3, 2)),
        ("landsat8", 7, (4, 3, 2)),
        ("landsat8", 6, (3, 2, 1)),
        ("landsat7", 7, (3, 2, 1)),
        ("naip", 4, (1, 2, 3)),
        ("worldview", 8, (5, 3, 2)),
        ("worldview", 4, (3, 2, 1)),
        ("planetscope", 8, (6, 4, 2)),
        ("planetscope", 4, (3, 2, 1)),
        ("bgr", 3, (3, 2, 1)),
        ("rgb", 5, (1, 2, 3)),
        ("5,1,2", 5, (5, 1, 2)),
    ],
)
def test_the_bands_wanted_are_shown(wanted: str, n_bands: int, bands: tuple[int, ...]):
    assert choose_bands(many(n_bands), wanted) == BandChoice(bands=bands, colours=Colours.RGB)
    assert choose_bands(many(n_bands, "alpha"), wanted).bands == bands


def test_one_band_is_shown_in_grey():
    assert choose_bands(many(5), "4") == BandChoice(bands=(4,), colours=Colours.GRAY)


def test_a_wish_comes_before_what_the_file_says():
    said = facts("red", "green", "blue", "undefined", descriptions=("red", "green", "blue", "infrared"))
    assert choose_bands(said, "4,1,2").bands == (4, 1, 2)
    assert choose_bands(said, "bgr").bands == (3, 2, 1)


@pytest.mark.parametrize("wanted", ["7,1,2", "4", *(order for order in BandOrder if order not in ("rgb", "bgr"))])
def test_a_preview_beside_the_products_is_shown_as_it_says(wanted: str):
    assert choose_bands(facts("red", "green", "blue"), wanted).bands == (1, 2, 3)
    assert choose_bands(facts("red", "green", "blue", "alpha"), wanted).bands == (1, 2, 3)
    assert choose_bands(facts("gray"), wanted) == BandChoice(bands=(1,), colours=Colours.GRAY)
    assert choose_bands(facts("palette", palette=TABLE), wanted).colours is Colours.PALETTE


def test_every_order_with_a_name_has_its_bands_and_no_other():
    assert set(PRESETS) == set(BandOrder)
    for preset in PRESETS.values():
        assert max(preset.bands) <= max(preset.whole_from, preset.least)
        assert max(preset.stacked) <= preset.least


@pytest.mark.parametrize("wanted", ["2", "2,1,1"])
def test_complex_numbers_are_no_picture_when_wanted_either(wanted: str):
    mixed = facts("gray", "undefined")
    mixed = RasterFacts(
        **{name: getattr(mixed, name) for name in RasterFacts.__slots__} | {"dtypes": ("uint8", "complex64")}
    )
    with pytest.raises(UnsupportedImageError, match="band 2 holds complex numbers"):
        choose_bands(mixed, wanted)
