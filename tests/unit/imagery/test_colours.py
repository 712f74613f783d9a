import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.imagery.colours import PALETTE, colours_of

SEEN_MOST = (
    *("Airplane", "Airport", "Boat", "Building", "Car", "City", "Harbor", "Parking Lot", "Swimming Pool", "Tree"),
    "Woodland",
)
EYES = {
    "usual": np.eye(3),
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Machado, Oliveira and Fernandes (2009), linear RGB, the strongest form of each."""

names = st.lists(st.sampled_from([f"label {n}" for n in range(60)]), unique=True, max_size=len(PALETTE))


def lightness_and_hue(linear: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB, D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def seen(eyes: str) -> np.ndarray:
    shares = np.array(PALETTE) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return lightness_and_hue(linear @ np.array(EYES[eyes]).T)


@pytest.mark.parametrize(
    ("eyes", "least"), [("usual", 25), ("without red", 20), ("without green", 20), ("without blue", 16)]
)
def test_no_two_colours_look_alike(eyes: str, least: float):
    colours = seen(eyes)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1000 * np.eye(len(colours))
    assert apart.min() >= least


def test_every_colour_is_bright_enough_for_a_dark_edge():
    assert len(PALETTE) >= 12
    assert seen("usual")[:, 0].min() > 55


@given(names, names)
def test_a_label_has_the_same_colour_in_every_picture_where_no_other_wants_it(first: list[str], second: list[str]):
    alone = {name: colours_of([name])[name] for name in (*first, *second)}
    for labels in (first, second):
        for name, colour in colours_of(labels).items():
            if [alone[other] for other in labels].count(alone[name]) == 1:
                assert colour == alone[name]


@given(names)
def test_no_two_labels_of_a_picture_share_a_colour(labels: list[str]):
    assert len(set(colours_of(labels).values())) == len(labels)


@given(names)
def test_colours_do_not_depend_on_the_order(labels: list[str]):
    assert colours_of(labels) == colours_of(reversed(labels * 2))


def test_the_labels_seen_most_keep_their_colours_in_all_pictures():
    assert colours_of(SEEN_MOST) == {name: colours_of([name])[name] for name in SEEN_MOST}


def test_more_labels_than_colours_share_them():
    many = [f"label {n}" for n in range(50)]
    assert set(colours_of(many)) == set(many)
    assert set(colours_of(many).values()) == set(PALETTE)
