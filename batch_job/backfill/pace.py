"""How fast a run is, by the shards that ended. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

RECENT_MS = 10 * 60 * 1000
RECENT_SHARDS = 20
"""Shards end in lumps of some hundred calls each: the average of fewer would jump about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedShard:
    """A shard that is done, by its marker and the time that the store gave that."""

    ended_ms: int
    """ms since 1970."""
    duration_ms: int
    images: int
    calls: int

    @property
    def began_ms(self) -> int:
        """When its worker, the last if there were several, began."""
        return self.ended_ms - self.duration_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was done in a stretch of time."""

    seconds: float
    shards: int
    images: int
    calls: int

    @property
    def images_per_s(self) -> float:
        """Images that came to an end, in any way."""
        return self.images / self.seconds

    @property
    def calls_per_s(self) -> float:
        """Paid calls."""
        return self.calls / self.seconds

    def seconds_left(self, images: int) -> float | None:
        """Tell how long so many images will take if it goes on so; None: nothing moved."""
        return images / self.images_per_s if self.images else None


def recent_pace(ended: Iterable[EndedShard], *, now_ms: int) -> Pace | None:
    """Measure a run that goes on: the shards that ended of late, over the time until now.

    Of late is: within ten minutes, or the last twenty shards if these took longer, but not before the first began. What
    running shards have done counts when they end. A run that stands still gets slower with every look.

    Returns:
        None: no shard has ended.
    """
    known = sorted(ended, key=lambda shard: shard.ended_ms)
    if not known:
        return None
    began_ms = min(shard.began_ms for shard in known)
    before = known[-RECENT_SHARDS - 1].ended_ms if len(known) > RECENT_SHARDS else began_ms
    since_ms = max(began_ms, min(before, now_ms - RECENT_MS))
    return _pace([shard for shard in known if shard.ended_ms > since_ms or since_ms == began_ms], since_ms, now_ms)


def whole_pace(ended: Iterable[EndedShard]) -> Pace | None:
    """Measure a run that is over: from the beginning of the first shard to the end of the last, pauses and all.

    Returns:
        None: no shard has ended.
    """
    known = tuple(ended)
    if not known:
        return None
    return _pace(known, min(shard.began_ms for shard in known), max(shard.ended_ms for shard in known))


def _pace(shards: Iterable[EndedShard], since_ms: int, until_ms: int) -> Pace:
    shards = tuple(shards)
    return Pace(
        # the store tells whole seconds: less than one is not known
        seconds=max(1.0, (until_ms - since_ms) / 1000),
        shards=len(shards),
        images=sum(shard.images for shard in shards),
        calls=sum(shard.calls for shard in shards),
    )
