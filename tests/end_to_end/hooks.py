"""A user's hooks."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from batch_job.hooks import MergedImage
from batch_job.values.spaces import Feature, Kind, Window


def only_the_left_half(features: Sequence[Feature], image: MergedImage) -> list[Feature]:
    return [one for one in features if one.detection.box.max_col < image.width / 2]


def raises_over_two_objects(features: Sequence[Feature], image: MergedImage) -> None:
    if sum(one.detection.kind is Kind.OBJECT and one.detection.label.name == "Car" for one in features) >= 2:
        raise RuntimeError("too much for me")


def raises(features: Sequence[Feature], image: MergedImage) -> None:
    raise RuntimeError("not today")


def negative(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return 255 - pixels


def darker(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels // 2


def as_floats(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return pixels / 255


def cropped(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[:, 1:, 1:]


def rows_last(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels.transpose(1, 2, 0)


def gives_nothing(pixels: NDArray[np.uint8]) -> None:
    """Forgot its return."""


def divides_by_zero(*_: object) -> None:
    raise ZeroDivisionError("division by zero")


def gives_words(features: Sequence[Feature], image: MergedImage) -> list[str]:
    return ["a feature"]


def gives_a_number(features: Sequence[Feature], image: MergedImage) -> int:
    return len(features)


def fails_lazily(features: Sequence[Feature], image: MergedImage) -> Iterator[Feature]:
    yield features[0]
    raise KeyError("nothing more")


def reversed_lazily(features: Sequence[Feature], image: MergedImage) -> Iterator[Feature]:
    yield from reversed(features)


def looks_at_pixels(features: Sequence[Feature], image: MergedImage) -> list[Feature]:
    """Keep what is red in the middle."""
    kept = []
    for one in features:
        box = one.detection.box
        middle = Window(int(box.min_col + box.max_col) // 2, int(box.min_row + box.max_row) // 2, width=1, height=1)
        if image.read_rgb(middle)[0, 0, 0] > 200:
            kept.append(one)
    return kept
