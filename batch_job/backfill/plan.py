"""From rows of an inventory to portions of work of about equal size. Pure; rows are pulled as the portions are."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Self

import orjson

from batch_job.backfill.known import Known, Standing
from batch_job.settings.doors import SHARD_CHIPS
from batch_job.values.image import IMAGE_SUFFIXES, ImageRef, is_image_key
from batch_job.values.inventory import InventoryRow, UnreadableRow
from batch_job.values.work import ShardRange, WorkItem

PLAN_VERSION = 1
"""Raise when the code makes other portions of the same rows, so that shards of two plans never mix."""
MAX_ARRAY = 10_000
"""Children of an array job: AWS Batch service quotas. An array of one is refused, so that is a plain job."""
BYTES_PER_PX = 1.0
"""Between JPEG (about 0.3) and 16-bit bands without compression (6): only shards' sizes depend on it."""
CHUNK_ROWS = 1000
"""Compared with the ledger at once: a hundred gain most, thousands nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which keys are worked on; excluding wins."""

    include_prefixes: tuple[str, ...] = ()
    """None: every key."""
    exclude_prefixes: tuple[str, ...] = ()
    include_suffixes: tuple[str, ...] = IMAGE_SUFFIXES
    """In lower case; keys may be in any."""
    exclude_suffixes: tuple[str, ...] = ()

    def accepts(self, key: str) -> bool:
        """Tell whether a key is an image's that is to be worked on."""
        return (
            (not self.include_prefixes or key.startswith(self.include_prefixes))
            and not key.startswith(self.exclude_prefixes)
            and is_image_key(key, self.include_suffixes)
            and not is_image_key(key, self.exclude_suffixes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How large portions are, in chips expected from the objects' bytes."""

    chip_stride_px: int
    """From one chip to the next."""
    max_chips: int = SHARD_CHIPS
    """Of a shard."""
    max_items: int = 500
    """Of a shard, for images of one chip each."""
    max_part_chips: int | None = None
    """Larger images are given out in parts; None: never."""

    def __post_init__(self) -> None:
        if min(self.chip_stride_px, self.max_chips, self.max_items, self.max_part_chips or 1) < 1:
            raise ValueError(f"portions must hold something: {self}")

    def items(self, image: ImageRef, size: int) -> Iterator[WorkItem]:
        """Yield the work that an image is: itself, or its parts."""
        parts = 1 if self.max_part_chips is None else -(-self._image_chips(size) // self.max_part_chips)
        for part in range(1, parts + 1):
            yield WorkItem(image, size, part=part, parts=parts)

    def chips(self, item: WorkItem) -> int:
        """Tell how many chips to expect of an item, at least 1."""
        return -(-self._image_chips(item.size) // item.parts)

    def _image_chips(self, size: int) -> int:
        return 1 + int(size / (BYTES_PER_PX * self.chip_stride_px**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that a plan depends on beside the rows and the ledger."""

    filters: Filters
    sizing: Sizing
    index_fingerprint: str

    @property
    def id(self) -> str:
        """8 hex digits: plans of the same rows and ledger under the same rules give the same shards."""
        facts = (PLAN_VERSION, astuple(self.filters), astuple(self.sizing), self.index_fingerprint)
        return hashlib.sha256(orjson.dumps(facts)).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCounts:
    """What became of the rows; every row is counted once in the first six."""

    new: int = 0
    changed: int = 0
    done: int = 0
    filtered: int = 0
    """No image's, or not asked for."""
    not_current: int = 0
    """Older versions and delete markers."""
    unreadable: int = 0
    items: int = 0
    """Made of the new and the changed; more than these where images are given out in parts."""
    chips: int = 0
    """Expected of them."""

    def __add__(self, other: Self) -> Self:
        return type(self)(**{at.name: getattr(self, at.name) + getattr(other, at.name) for at in fields(self)})

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.new + self.changed + self.done + self.filtered + self.not_current + self.unreadable

    def to_json(self) -> dict[str, Any]:
        """Encode; ``PlanCounts(**facts)`` decodes."""
        return {at.name: getattr(self, at.name) for at in fields(self)}


@dataclass(frozen=True, slots=True)
class Portion:
    """The items of one shard, and what was counted since the portion before."""

    items: tuple[WorkItem, ...]
    """None in a last portion that only counts."""
    counts: PlanCounts


def portions(
    rows: Iterable[InventoryRow | UnreadableRow], known: Known, rules: Rules, *, bucket: str
) -> Iterator[Portion]:
    """Yield the work of a data file, in the order of its rows; one portion and a chunk of rows are alive.

    Each portion holds one item, or no more than the sizing allows.
    """
    items: list[WorkItem] = []
    chips, counts = 0, PlanCounts()
    for chunk in _chunks(rows):
        work, counted = _decide(chunk, known, rules, bucket=bucket)
        counts += counted
        for item in work:
            expected = rules.sizing.chips(item)
            if items and (chips + expected > rules.sizing.max_chips or len(items) == rules.sizing.max_items):
                yield Portion(tuple(items), counts + PlanCounts(items=len(items), chips=chips))
                items, chips, counts = [], 0, PlanCounts()
            items.append(item)
            chips += expected
    if items or counts.rows:
        yield Portion(tuple(items), counts + PlanCounts(items=len(items), chips=chips))


def _decide(
    chunk: Sequence[InventoryRow | UnreadableRow], known: Known, rules: Rules, *, bucket: str
) -> tuple[list[WorkItem], PlanCounts]:
    readable = [row for row in chunk if isinstance(row, InventoryRow)]
    current = [row for row in readable if row.current]
    wanted = [row for row in current if rules.filters.accepts(row.key)]
    standings = known.standings(wanted, index_fingerprint=rules.index_fingerprint)
    counts = PlanCounts(
        new=standings.count(Standing.NEW),
        changed=standings.count(Standing.CHANGED),
        done=standings.count(Standing.DONE),
        filtered=len(current) - len(wanted),
        not_current=len(readable) - len(current),
        unreadable=len(chunk) - len(readable),
    )
    work = [
        item
        for row, standing in zip(wanted, standings, strict=True)
        if standing is not Standing.DONE
        for item in rules.sizing.items(ImageRef(bucket, row.key), row.size or 0)
    ]
    return work, counts


def _chunks(rows: Iterable[InventoryRow | UnreadableRow]) -> Iterator[list[InventoryRow | UnreadableRow]]:
    pulled = iter(rows)
    while chunk := list(itertools.islice(pulled, CHUNK_ROWS)):
        yield chunk


def ranges(run_id: str, plan: str, *, shards: int) -> Iterator[ShardRange]:
    """Yield what each job is to work through, so that every shard is in one; a range of one is a plain job."""
    for first in range(0, shards, MAX_ARRAY):
        yield ShardRange(run_id, plan, first=first, count=min(MAX_ARRAY, shards - first))
