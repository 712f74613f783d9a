"""What failed, listed from a ledger in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from batch_job.errors import ErrorCode
from batch_job.values.ledger import LedgerEntry, State

if TYPE_CHECKING:
    from batch_job.ports import FailureList, Ledger


class MemoryFailures:
    """Reads a ledger; fits ``ports.FailureList``."""

    def __init__(self, ledger: "Ledger") -> None:
        self.ledger = ledger

    def failures(self, bucket: str, prefix: str = "", code: ErrorCode | None = None) -> Iterator[LedgerEntry]:
        """Yield the images that failed, by key."""
        entries = (stored.entry for stored in self.ledger.entries(bucket=bucket, prefix=prefix))
        failed = [entry for entry in entries if entry.state is State.FAILED and code in (None, entry.error_code)]
        yield from sorted(failed, key=lambda entry: entry.image)

    def failure_counts(self, bucket: str) -> Mapping[str, int]:
        """Count the images that failed by error code, the most frequent first."""
        counted = Counter(entry.error_code for entry in self.failures(bucket))
        return {str(code): n for code, n in counted.most_common() if code is not None}


if TYPE_CHECKING:
    _fits: type[FailureList] = MemoryFailures
