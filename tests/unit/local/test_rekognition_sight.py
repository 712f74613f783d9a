"""What the stand-in sees in a picture, without the wire."""

import colorsys
import io
from itertools import pairwise

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batch_job.values.spaces import PixelBox
from local.rekognition.faults import ServiceError
from local.rekognition.labels import CATEGORIES, PALETTE_HUES, SCENE_RULES, TAXA
from local.rekognition.picture import decode
from local.rekognition.sight import CORE_PX, MAX_CONFIDENCE, Picture, confidence_of, look
from local.scenes.colours import SHADES_OF, texture
from local.scenes.spec import Bands

unhurried = settings(deadline=None)
"""Machines are shared: how long an example takes says nothing."""

GROUND = np.ascontiguousarray(texture(Bands.RGB, seed=0).transpose(1, 2, 0))
RED = (255, 30, 30)
SURE_DEG = 20
"""Hues this near to a label's own are that label's whatever JPEG does; 30 is the limit."""


def ground(width: int = 256, height: int = 256) -> Picture:
    return GROUND[:height, :width].copy()


def colour(hue_deg: float, *, saturation: float = 0.9, value: float = 0.95) -> tuple[int, ...]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue_deg % 360 / 360, saturation, value))


def through_jpeg(picture: Picture, *, quality: int, subsampling: str) -> Picture:
    return decode(simplejpeg.encode_jpeg(picture, quality=quality, colorsubsampling=subsampling))


def off_by(found: PixelBox, truth: PixelBox) -> float:
    sides = ("min_col", "min_row", "max_col", "max_row")
    return max(abs(getattr(found, side) - getattr(truth, side)) for side in sides)


@pytest.mark.parametrize(("label", "hue"), PALETTE_HUES.items())
def test_each_hue_names_its_label(label: str, hue: int) -> None:
    picture = ground()
    picture[100:140, 60:120] = colour(hue)
    (seen,) = look(picture)
    assert (seen.label, seen.box) == (label, PixelBox(min_col=60, min_row=100, max_col=120, max_row=140))


@unhurried
@given(hue=st.floats(0, 359.9), saturation=st.floats(0.52, 1), value=st.floats(0.52, 1))
def test_a_hue_belongs_to_the_nearest_label_up_to_30_degrees(hue: float, saturation: float, value: float) -> None:
    off = min(abs((hue - 60 * step) % 360 - 30) for step in range(6))
    picture = ground(100, 100)
    picture[40:60, 40:60] = colour(hue, saturation=saturation, value=value)
    labels = [seen.label for seen in look(picture)]
    nearest = next(label for label, own in PALETTE_HUES.items() if own == round(hue / 60) % 6 * 60)
    assert len(labels) == 1
    if off > 1:  # whole numbers for channels move a hue by up to a degree
        assert labels == [nearest]


@settings(max_examples=60, deadline=None)
@given(
    label=st.sampled_from(sorted(PALETTE_HUES)),
    swing=st.floats(-SURE_DEG, SURE_DEG),
    size=st.integers(12, 60),
    at=st.integers(20, 60),
    quality=st.integers(60, 95),
    subsampling=st.sampled_from(["444", "420"]),
)
def test_a_painted_square_is_one_sighting_after_any_usual_jpeg(
    label: str, swing: float, size: int, at: int, quality: int, subsampling: str
) -> None:
    picture = ground(160, 160)
    picture[at : at + size, at : at + size] = colour(PALETTE_HUES[label] + swing)
    (seen,) = look(through_jpeg(picture, quality=quality, subsampling=subsampling))
    assert seen.label == label
    truth = PixelBox(min_col=at, min_row=at, max_col=at + size, max_row=at + size)
    assert off_by(seen.box, truth) <= (1 if quality >= 90 else 2)


@pytest.mark.parametrize("shade", [shade for shades in SHADES_OF.values() for shade in shades])
def test_every_shade_of_the_scenes_is_well_within_its_label(shade: tuple[int, int, int]) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in shade))
    label = next(label for label, shades in SHADES_OF.items() if shade in shades)
    assert abs((hue * 360 - PALETTE_HUES[label] + 180) % 360 - 180) <= 10
    assert saturation > 0.8
    assert value > 0.85


@pytest.mark.parametrize(("saturation", "value"), [(0.45, 0.9), (0.9, 0.45)])
def test_greyer_or_darker_than_a_half_is_background(saturation: float, value: float) -> None:
    picture = ground()
    picture[100:140, 60:120] = colour(0, saturation=saturation, value=value)
    assert look(picture) == []


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_the_ground_alone_is_nothing(quality: int) -> None:
    assert look(through_jpeg(GROUND, quality=quality, subsampling="420")) == []


def test_shapes_that_do_not_touch_are_seen_apart_and_touching_ones_of_one_hue_together() -> None:
    picture = ground()
    picture[50:80, 50:80] = picture[50:80, 81:110] = RED
    assert len(look(picture)) == 2
    picture[60, 80] = RED
    assert [seen.box.width for seen in look(picture)] == [60]


def test_touching_shapes_of_two_hues_are_two_objects_also_after_jpeg() -> None:
    picture = ground()
    picture[50:90, 50:90], picture[50:90, 90:130] = RED, colour(120)
    seen = look(through_jpeg(picture, quality=90, subsampling="444"))
    assert [one.label for one in seen] == ["Tree", "Car"] or [one.label for one in seen] == ["Car", "Tree"]


@pytest.mark.parametrize("thickness", [1, 2])
def test_what_is_nowhere_as_thick_as_a_core_is_noise(thickness: int) -> None:
    assert thickness < CORE_PX
    picture = ground()
    picture[50 : 50 + thickness, 20:200] = RED
    picture[100:200, 30 : 30 + thickness] = RED
    assert look(picture) == []


def test_a_thin_frame_is_noise_however_large() -> None:
    picture = ground()
    picture[50:150, 50:150] = RED
    picture[52:148, 52:148] = ground()[52:148, 52:148]
    assert look(picture) == []
    picture[50:53, 50:53] = RED
    assert [seen.box.width for seen in look(picture)] == [100]


def test_colour_noise_is_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert all(seen.confidence < 55 for seen in look(noise))


@pytest.mark.parametrize("visible_px", range(CORE_PX, 12))
def test_a_part_at_a_chips_border_is_seen_with_the_confidence_of_its_visible_side(visible_px: int) -> None:
    picture = ground()
    picture[50:110, :visible_px] = RED
    (seen,) = look(picture)
    assert seen.confidence == confidence_of(short_side_px=visible_px)
    assert (seen.confidence >= 55) == (visible_px >= 5)


def test_confidence_grows_with_size_up_to_its_cap() -> None:
    grown = [confidence_of(short_side_px=size) for size in range(1, 2000)]
    assert all(low <= high for low, high in pairwise(grown))
    assert (grown[3], grown[11], grown[-1]) == (50.0, 75.0, MAX_CONFIDENCE)


def test_every_label_has_its_place_among_the_others() -> None:
    assert PALETTE_HUES.keys() <= TAXA.keys()
    assert {rule.label for rule in SCENE_RULES} <= TAXA.keys()
    for taxon in TAXA.values():
        for parent in taxon.parents:
            assert set(TAXA[parent].parents) <= set(taxon.parents), taxon.name
        assert taxon.category in CATEGORIES


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def red_corner() -> Image.Image:
    picture = ground(200, 120)
    picture[10:40, 10:60] = RED
    return Image.fromarray(picture)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_png_of_any_mode_is_seen(mode: str) -> None:
    (seen,) = look(decode(encoded(red_corner().convert(mode), "PNG")))
    assert (seen.label, seen.box) == ("Car", PixelBox(min_col=10, min_row=10, max_col=60, max_row=40))


@pytest.mark.parametrize("mode", ["L", "I;16", "1"])
def test_a_grey_png_has_nothing_in_it(mode: str) -> None:
    grey = np.linspace(0, 65535, 100 * 100).reshape(100, 100).astype(np.uint16)
    image = Image.fromarray(grey) if mode == "I;16" else red_corner().convert(mode)
    assert look(decode(encoded(image, "PNG"))) == []


def test_a_cmyk_jpeg_is_seen() -> None:
    (seen,) = look(decode(encoded(red_corner().convert("CMYK"), "JPEG", quality=95)))
    assert seen.label == "Car"


def test_a_picture_is_turned_upright_by_its_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    (seen,) = look(decode(encoded(red_corner(), "JPEG", quality=95, exif=exif)))
    assert off_by(seen.box, PixelBox(min_col=80, min_row=10, max_col=110, max_row=60)) <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused_wherever_it_ends(kind: str) -> None:
    whole = encoded(red_corner(), kind)
    for end in (1, 3, 8, 12, 20, 30, len(whole) // 2, len(whole) - 30):
        with pytest.raises(ServiceError) as refusal:
            decode(whole[:end])
        assert refusal.value.code == "InvalidImageFormatException"


@unhurried
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_no_bytes_break_the_decoder(junk: bytes, start: bytes) -> None:
    with pytest.raises(ServiceError):
        decode(start + junk)
