"""What a run's folder says of one CSV, and of the sweep: who plans it, then what it came to."""

from dataclasses import dataclass
from typing import Any, Self

import orjson

from batch_job.backfill.plan import PlanCounts

CLAIM_MS = 16 * 60 * 1000
"""Of a claim, unless it is renewed. A Lambda ends within 15 minutes (AWS Lambda quotas)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """What a CSV came to."""

    name: str
    """The common beginning of its shards' names."""
    shards: int
    counts: PlanCounts
    jobs: tuple[str, ...]
    """Ids of the jobs that were submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """How far the planning of one CSV is."""

    owner: str
    until_ms: int
    """The claim's end, unless it is planned."""
    plan: FilePlan | None = None

    def to_json(self) -> bytes:
        """Encode."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Decode what ``to_json`` wrote."""
        facts: dict[str, Any] = orjson.loads(body)
        plan = facts.pop("plan")
        if plan is not None:
            counts, jobs = PlanCounts(**plan.pop("counts")), tuple(plan.pop("jobs"))
            plan = FilePlan(**plan, counts=counts, jobs=jobs)
        return cls(**facts, plan=plan)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to plan one CSV, until it runs out."""

    file_id: str
    owner: str
    until_ms: int
    etag: str
    """Of the record that says so."""

    def is_old(self, *, now_ms: int) -> bool:
        """Tell whether a third of it has passed: time to renew it."""
        return now_ms > self.until_ms - CLAIM_MS * 2 // 3
