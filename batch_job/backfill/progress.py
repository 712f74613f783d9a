"""How far a run is: the sum of what its CSVs came to and of its shards' done markers; and what is missing of it."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from itertools import groupby
from typing import Any

from batch_job.backfill.markers import Markers, read_at_once
from batch_job.backfill.pace import EndedShard
from batch_job.backfill.plan import PlanCounts, ranges
from batch_job.backfill.records import FilePlan
from batch_job.backfill.shards import SWEEP_DONE, RunFolder
from batch_job.values.inventory import Manifest, Scope
from batch_job.values.work import ShardDone, ShardRange


class SweepState(StrEnum):
    """How far the comparison of the ledger with all keys of the inventory is."""

    NONE = auto()
    """There is none: the listing says nothing of other keys."""
    WAITING = auto()
    """CSVs are left to be planned."""
    DUE = auto()
    """It is to run, or runs."""
    DONE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """What a run has planned and done."""

    run_id: str
    inventory_ms: int
    """When the scan of the bucket began, ms since 1970."""
    files: int
    files_planned: int
    counts: PlanCounts
    """Of the CSVs planned."""
    shards: int
    shards_done: int
    images: Mapping[str, int]
    """Visited, by outcome, as ``Tally.images`` names them."""
    errors: Mapping[str, int]
    """Failed images by error code."""
    calls: int
    labels: int
    blank_chips: int
    """Not sent, since there is no picture in them."""
    sweep: SweepState
    swept: Mapping[str, int]
    """Images that the sweep visited, by outcome; they count nowhere else."""

    @property
    def left(self) -> int:
        """How many planned items are in no shard that is done."""
        return max(0, self.counts.items - sum(self.images.values()))

    @property
    def finished(self) -> bool:
        """Tell whether all was planned, worked through, and swept."""
        worked = self.files_planned == self.files and self.shards_done == self.shards
        return worked and self.sweep in (SweepState.NONE, SweepState.DONE)

    def to_json(self) -> dict[str, Any]:
        """Encode for people and programs that watch."""
        return {
            "run_id": self.run_id,
            "inventory_ms": self.inventory_ms,
            "csv_files": {"total": self.files, "planned": self.files_planned},
            "rows": self.counts.to_json(),
            "shards": {"total": self.shards, "done": self.shards_done},
            "images": dict(sorted(self.images.items())),
            "errors": dict(sorted(self.errors.items())),
            "calls": self.calls,
            "labels": self.labels,
            "blank_chips": self.blank_chips,
            "sweep": {"state": str(self.sweep), "images": dict(sorted(self.swept.items()))},
            "left": self.left,
            "finished": self.finished,
        }


def total(manifest: Manifest, plans: Iterable[FilePlan], done: Iterable[ShardDone]) -> RunProgress:
    """Add up; markers of shards that are in none of the plans are passed over."""
    plans = tuple(plans)
    markers = {marker.name: marker for marker in done}
    names = [name for plan in plans for name in _shard_names(plan)]
    counted = [markers[name] for name in names if name in markers]
    swept = markers.get(SWEEP_DONE)
    images: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for marker in counted:
        images.update(marker.images)
        errors.update(marker.errors)
    return RunProgress(
        run_id=manifest.run_id,
        inventory_ms=manifest.created_ms,
        files=len(manifest.files),
        files_planned=len(plans),
        counts=sum((plan.counts for plan in plans), PlanCounts()),
        shards=len(names),
        shards_done=len(counted),
        images=images,
        errors=errors,
        calls=sum(marker.calls for marker in counted),
        labels=sum(marker.labels for marker in counted),
        blank_chips=sum(marker.blank_chips for marker in counted),
        sweep=_sweep_state(manifest, swept, planned=len(plans)),
        swept={} if swept is None else swept.images,
    )


def _sweep_state(manifest: Manifest, swept: ShardDone | None, *, planned: int) -> SweepState:
    if manifest.request.scope is Scope.PART:
        return SweepState.NONE
    if swept is not None:
        return SweepState.DONE
    return SweepState.DUE if planned == len(manifest.files) else SweepState.WAITING


def _shard_names(plan: FilePlan) -> Iterable[str]:
    if not plan.shards:
        return ()
    whole = ShardRange("", plan.name, first=0, count=plan.shards)
    return map(whole.name, range(plan.shards))


def is_planned(folder: RunFolder, manifest: Manifest) -> bool:
    """Tell whether every CSV of a bucket's run is planned."""
    if sum(1 for _ in folder.listed_files()) < len(manifest.files):
        return False  # one request in place of one for each file
    return len(list(_plans(folder, manifest))) == len(manifest.files)


def _plans(folder: RunFolder, manifest: Manifest) -> Iterator[FilePlan]:
    for file in manifest.files:
        record = folder.record(file.id)
        if record is not None and record.plan is not None:
            yield record.plan


def missing_ranges(folder: RunFolder) -> Iterator[ShardRange]:
    """Yield the planned shards without done marker, in ranges as long as can be, for whoever submits them again.

    Raises:
        InputError: there is no such run.
    """
    manifest, done = folder.manifest(), frozenset(folder.done_names())
    for plan in _plans(folder, manifest):
        yield from missing_of(plan, done, run_id=folder.run_id)


def missing_of(plan: FilePlan, done: Container[str], *, run_id: str) -> Iterator[ShardRange]:
    """Yield the shards of one plan whose names are not in ``done``; no range is longer than an array may be."""
    for whole in ranges(run_id, plan.name, shards=plan.shards):
        missing = [index for index in range(whole.count) if whole.name(index) not in done]
        for _, grouped in groupby(enumerate(missing), lambda at: at[1] - at[0]):
            run = [index for _, index in grouped]
            yield ShardRange(run_id, plan.name, first=whole.first + run[0], count=len(run))


def sweep_is_missing(folder: RunFolder) -> bool:
    """Tell whether a run's sweep is due and not done; whether it was submitted says nothing: it may have been paused.

    Raises:
        InputError: there is no such run.
    """
    manifest = folder.manifest()
    whole = manifest.request.scope is Scope.BUCKET
    return whole and is_planned(folder, manifest) and folder.done(SWEEP_DONE) is None


class RunWatch:
    """Looks at one run again and again; what cannot change any more is read once."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._manifest: Manifest | None = None
        self._plans: dict[str, FilePlan] = {}
        self._markers = Markers(folder)

    def look(self) -> RunProgress:
        """Read what is new, and add up.

        Raises:
            InputError: there is no such run.
        """
        manifest = self.manifest()
        unplanned = [file.id for file in manifest.files if file.id not in self._plans]
        for file_id, record in read_at_once(self._folder.record, unplanned):
            if record.plan is not None:
                self._plans[file_id] = record.plan
        markers = self._markers.look().values()
        return total(manifest, self._plans.values(), (marker.done for marker in markers))

    def manifest(self) -> Manifest:
        """Give what is to be planned; raises as ``look``."""
        self._manifest = self._manifest or self._folder.manifest()
        return self._manifest

    def ended(self) -> list[EndedShard]:
        """Give the shards that were done at the last look, the sweep's share left out."""
        return [marker.shard for name, marker in self._markers.look_back().items() if name != SWEEP_DONE]
