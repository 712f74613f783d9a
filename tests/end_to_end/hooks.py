"""A user's hooks."""

from collections.abc import Sequence

from batch_job.hooks import MergedImage
from batch_job.values.spaces import Feature, Kind


def only_the_left_half(features: Sequence[Feature], image: MergedImage) -> list[Feature]:
    return [one for one in features if one.detection.box.max_col < image.width / 2]


def raises_over_two_objects(features: Sequence[Feature], image: MergedImage) -> None:
    if sum(one.detection.kind is Kind.OBJECT and one.detection.label.name == "Car" for one in features) >= 2:
        raise RuntimeError("too much for me")
