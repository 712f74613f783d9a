from collections.abc import Sequence

import pytest
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.opensearch_search import OpenSearchSearch
from batch_job.errors import ErrorCode
from batch_job.search.mappings import IndexNames
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LedgerEntry, State

pytestmark = pytest.mark.server

BUCKET = "imagery"
OTHERS = ("another", "imagery-2")
VERSION = ImageVersion("e", (), detection_fingerprint="d", index_fingerprint="i")


def entry(key: str, code: ErrorCode | None, *, bucket: str = BUCKET, state: State = State.FAILED) -> LedgerEntry:
    error = None if code is None else "so it is"
    image = ImageRef(bucket, key)
    return LedgerEntry(image=image, state=state, version=VERSION, epoch=1, error_code=code, error=error)


ENTRIES = (
    entry("2026/b.tif", ErrorCode.TOO_LARGE),
    entry("2026/a é?*.tif", ErrorCode.UNREADABLE),
    entry("2025/c.tif", ErrorCode.UNREADABLE),
    entry("2026/fine.tif", None, state=State.INDEXED),
    entry("2026/gone.tif", None, state=State.REMOVED),
    *(entry("2026/d.tif", ErrorCode.UNREADABLE, bucket=bucket) for bucket in OTHERS),
)


@pytest.fixture(scope="module")
def index(client: OpenSearch, shared_names: IndexNames) -> OpenSearchSearch:
    ledger = OpenSearchLedger(client, shared_names)
    for one in ENTRIES:
        ledger.put(one, over=None)
    refresh(client, shared_names)
    return OpenSearchSearch(client, shared_names)


@pytest.mark.parametrize(
    ("prefix", "code", "expected"),
    [
        ("", None, ["2025/c.tif", "2026/a é?*.tif", "2026/b.tif"]),
        ("2026/", None, ["2026/a é?*.tif", "2026/b.tif"]),
        ("", ErrorCode.UNREADABLE, ["2025/c.tif", "2026/a é?*.tif"]),
        ("2026/a é?*", ErrorCode.UNREADABLE, ["2026/a é?*.tif"]),
        ("2026/", ErrorCode.ARCHIVED, []),
    ],
)
def test_what_failed_is_listed_by_key(
    index: OpenSearchSearch, prefix: str, code: ErrorCode | None, expected: Sequence[str]
):
    found = list(index.failures(BUCKET, prefix, code))
    assert [one.image.key for one in found] == expected
    assert all(one in ENTRIES for one in found)


def test_what_failed_is_counted_by_code_the_most_frequent_first(index: OpenSearchSearch):
    assert list(index.failure_counts(BUCKET).items()) == [("unreadable", 2), ("too_large", 1)]
    assert index.failure_counts("nobodys") == {}
