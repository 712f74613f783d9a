"""A run's done markers, looked at again and again: each is read once, as none changes."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from batch_job.backfill.pace import EndedShard
from batch_job.backfill.shards import RunFolder
from batch_job.values.work import ShardDone

READERS = 16
"""Requests at once: ten thousand markers of some hundred bytes take about half a minute then, and not ten."""
FOLDER, ENDING = "done/", ".json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Marker:
    """A done marker, and when it was written."""

    done: ShardDone
    ended_ms: int
    """By the store, ms since 1970."""

    @property
    def shard(self) -> EndedShard:
        """Give what the run's pace is measured by."""
        return EndedShard(
            ended_ms=self.ended_ms,
            duration_ms=self.done.duration_ms,
            images=sum(self.done.images.values()),
            calls=self.done.calls,
        )


class Markers:
    """Remembers what it has read."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._known: dict[str, Marker] = {}

    def look(self) -> Mapping[str, Marker]:
        """List the markers, a thousand a request, read those that are new, and give all by their shards' names."""
        root = f"runs/{self._folder.run_id}/{FOLDER}"
        written = {
            one.key.removeprefix(root).removesuffix(ENDING): one.last_modified
            for one in self._folder.store.listed(root)
        }
        for name, done in read_at_once(self._folder.done, written.keys() - self._known.keys()):
            self._known[name] = Marker(done, _ms(written[name]))
        return self.look_back()

    def look_back(self) -> Mapping[str, Marker]:
        """Give what the last look gave."""
        return self._known


def read_at_once(read: Callable[[str], T | None], names: Collection[str]) -> Iterator[tuple[str, T]]:
    """Read what has these names, some at once; what is not there is left out."""
    if not names:
        return
    with ThreadPoolExecutor(min(READERS, len(names)), thread_name_prefix="readers") as readers:
        for name, found in zip(names, readers.map(read, names), strict=True):
            if found is not None:
                yield name, found


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
