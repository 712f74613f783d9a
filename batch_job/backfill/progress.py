"""How far a run is: the sum of what its CSVs came to and of its shards' done markers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.shards import FilePlan, RunFolder
from batch_job.values.inventory import Manifest
from batch_job.values.work import ShardDone, ShardRange


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

    @property
    def left(self) -> int:
        """How many planned items are in no shard that is done."""
        return max(0, self.counts.items - sum(self.images.values()))

    @property
    def finished(self) -> bool:
        """Tell whether all was planned and worked through."""
        return self.files_planned == self.files and self.shards_done == self.shards

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
            "left": self.left,
            "finished": self.finished,
        }


def total(manifest: Manifest, plans: Iterable[FilePlan], done: Iterable[ShardDone]) -> RunProgress:
    """Add up; markers of shards that are in none of the plans are passed over."""
    plans = tuple(plans)
    names = {name for plan in plans for name in _shard_names(plan)}
    counted = {marker.name: marker for marker in done if marker.name in names}.values()
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
    )


def _shard_names(plan: FilePlan) -> Iterable[str]:
    if not plan.shards:
        return ()
    whole = ShardRange("", plan.name, first=0, count=plan.shards)
    return map(whole.name, range(plan.shards))


class RunWatch:
    """Looks at one run again and again; what cannot change any more is read once."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._manifest: Manifest | None = None
        self._plans: dict[str, FilePlan] = {}
        self._done: dict[str, ShardDone] = {}

    def look(self) -> RunProgress:
        """Read what is new, and add up.

        Raises:
            InputError: there is no such run.
        """
        manifest = self._manifest = self._manifest or self._folder.manifest()
        for file in manifest.files:
            record = None if file.id in self._plans else self._folder.record(file.id)
            if record is not None and record.plan is not None:
                self._plans[file.id] = record.plan
        for name in self._folder.done_names():
            marker = None if name in self._done else self._folder.done(name)
            if marker is not None:
                self._done[name] = marker
        return total(manifest, self._plans.values(), self._done.values())
