"""Which labels a deployment wants to see; the answers are kept whole, so another choice costs no call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from batch_job.values.spaces import ImageDetection, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFilter:
    """A choice of labels by name, in any case."""

    include: tuple[str, ...] = ()
    """Only these, and what has one of them for a parent; none: all."""
    exclude: tuple[str, ...] = ()
    """Not these, even if they are included; what has one of them for a parent is not meant."""

    def wants(self, label: Label) -> bool:
        """Tell whether a label is one of the chosen."""
        name = label.name.casefold()
        if name in _folded(self.exclude):
            return False
        return not self.include or not _folded(self.include).isdisjoint({name, *_folded(label.parents)})

    def kept(self, detections: Iterable[ImageDetection]) -> Iterator[ImageDetection]:
        """Yield what is wanted, boxed or not, in the same order."""
        wanted = cache(self.wants)  # an image has many detections of few labels
        return (found for found in detections if wanted(found.label))


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
