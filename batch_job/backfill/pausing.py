"""The pause: one object that every worker looks for before each paid call (``orders.py``)."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

import orjson

from batch_job.backfill.orders import LIVE, PAUSE_KEY
from batch_job.ports import RunStore


class Paused(Enum):
    """Whose calls are held back."""

    BACKFILL = "the backfill"
    EVERYTHING = "the backfill and live events"

    def to_json(self) -> bytes:
        """Encode as the pause's object."""
        return orjson.dumps({LIVE: self is Paused.EVERYTHING})

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Decode; what nobody can read holds everything back, as workers take it."""
        try:
            live = orjson.loads(body).get(LIVE)
        except (ValueError, AttributeError):
            live = True
        return cls(Paused.EVERYTHING if live else Paused.BACKFILL)


@dataclass(frozen=True, slots=True)
class PauseChange:
    """What a pause or its end changed; None: nothing is held back."""

    before: Paused | None
    after: Paused | None


def paused(runs: RunStore) -> Paused | None:
    """Tell what is held back."""
    body = runs.get(PAUSE_KEY)
    return None if body is None else Paused.from_json(body)


def pause(runs: RunStore, wanted: Paused) -> PauseChange:
    """Hold back; what is held back already stays so."""
    before = paused(runs)
    after = Paused.EVERYTHING if before is Paused.EVERYTHING else wanted
    if after is not before:
        runs.put(PAUSE_KEY, after.to_json())
    return PauseChange(before, after)


def end_pause(runs: RunStore) -> PauseChange:
    """Hold nothing back any more."""
    before = paused(runs)
    runs.delete(PAUSE_KEY)
    return PauseChange(before, None)
