"""Ledger entries, short."""

from batch_job.errors import ErrorCode
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LabelSet, LedgerEntry, State

FINGERPRINT = "now"


def entry(
    key: str,
    etag: str = "e",
    state: State = State.INDEXED,
    *,
    error_code: ErrorCode | None = None,
    live: LabelSet | None = None,
    fingerprint: str = FINGERPRINT,
) -> LedgerEntry:
    return LedgerEntry(
        image=ImageRef("b", key),
        state=state,
        version=ImageVersion(etag, (), detection_fingerprint="d", index_fingerprint=fingerprint),
        epoch=1,
        live=live,
        error_code=error_code,
    )
