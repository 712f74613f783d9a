"""A user's own code, named in the settings: before detection, and after merging. ``examples/hooks.py`` has both."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_job.errors import BackfillError, HookError
from batch_job.settings import find_callable
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Feature, Window

BeforeDetection = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A chip's pixels (3, rows, columns), 8-bit RGB, to pixels of the same shape.

Its name is part of the detection fingerprint: rename it when it does something else.
"""


@dataclass(frozen=True, slots=True)
class MergedImage:
    """What a hook after merging may look at."""

    image: ImageRef
    width: int
    height: int
    read_rgb: Callable[[Window], NDArray[np.uint8]]
    """Reads (3, rows, columns) as the detector would see it, before any hook; opens the image when first called."""


AfterMerging = Callable[[Sequence[Feature], MergedImage], Iterable[Feature] | None]
"""The image's features to other features; None: they stay as they are. Called again when the image is re-indexed.

``detection.shape`` is that of an object which is no upright box; ``detection.box`` lies around it.
"""


def correct(pixels: NDArray[np.uint8], hooks: Sequence[str]) -> NDArray[np.uint8]:
    """Pass a chip's pixels through the hooks before detection.

    Raises:
        HookError: a hook raised, or gave another shape or type.
    """
    for name in hooks:
        hook: BeforeDetection = find_callable(name)
        try:
            corrected = hook(pixels.copy())  # chips share memory; a hook may write into its own
        except Exception as error:
            raise HookError(f"hook {name} failed on a chip: {error!r}") from error
        if not isinstance(corrected, np.ndarray) or (corrected.shape, corrected.dtype) != (pixels.shape, pixels.dtype):
            raise HookError(f"hook {name} must give uint8 pixels of shape {pixels.shape}, as it was given")
        pixels = corrected
    return pixels


def refine(features: Sequence[Feature], image: MergedImage, hooks: Sequence[str]) -> list[Feature]:
    """Pass an image's features through the hooks after merging.

    Raises:
        HookError: a hook raised, or gave something else than features.
        BackfillError: what reading pixels raised, as it was.
    """
    for name in hooks:
        hook: AfterMerging = find_callable(name)
        try:
            refined = hook(features, image)
            features = list(features if refined is None else refined)
        except BackfillError:
            raise  # not the hook's: reading pixels failed below it, and may succeed later
        except Exception as error:
            raise HookError(f"hook {name} failed on {image.image.uri}: {error!r}") from error
        if not all(isinstance(feature, Feature) for feature in features):
            raise HookError(f"hook {name} must give features or None for {image.image.uri}")
    return list(features)
