"""The command ``failures list``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from batch_job.adapters.memory import MemoryObjectStore
from batch_job.cli import failures as command
from batch_job.errors import ErrorCode
from batch_job.values.documents import ImageDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LedgerEntry, State
from batch_job.wiring.memory_operator import BUCKET, memory_operator
from batch_job.wiring.operator import Operator
from tests.end_to_end.user import Done, imagery_backfill

WRITTEN = "2026-05-31T09:30:00Z"


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    """What the command connects to."""
    made = memory_operator()

    @contextmanager
    def named(_given: Any) -> Iterator[Operator]:
        yield made

    monkeypatch.setattr(command, "named_operator", named)
    return made


def record(operator: Operator, key: str, code: ErrorCode | None, *, bucket: str = BUCKET) -> None:
    """Have the ledger say that an image failed, or (None) is indexed."""
    image = ImageRef(bucket, key)
    facts = MemoryObjectStore().put(image, b"12345", last_modified=WRITTEN)
    entry = LedgerEntry(
        image=image,
        state=State.INDEXED if code is None else State.FAILED,
        version=ImageVersion(facts.etag, (), detection_fingerprint="d", index_fingerprint="i"),
        epoch=1,
        error_code=code,
        error=None if code is None else f"{image.uri}: so it is",
        described=ImageDocument(
            image=image,
            etag=facts.etag,
            size=facts.size,
            last_modified=facts.last_modified,
            time=facts.last_modified,
            time_source=TimeSource.LAST_MODIFIED,
        ),
    )
    operator.failures.ledger.put(entry, over=None)


def listed(*arguments: str) -> list[str]:
    done = imagery_backfill("failures", "list", "--json", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(one)["key"] for one in done.stdout.splitlines()]


def test_what_failed_is_listed_by_key(operator: Operator):
    for key in ("b.tif", "a é.tif", "c.tif"):
        record(operator, key, ErrorCode.UNREADABLE)
    record(operator, "fine.tif", None)
    record(operator, "d.tif", ErrorCode.UNREADABLE, bucket="another")
    assert listed() == ["a é.tif", "b.tif", "c.tif"]


def test_a_code_and_a_prefix_narrow_it(operator: Operator):
    record(operator, "2026/a.tif", ErrorCode.UNREADABLE)
    record(operator, "2026/b.tif", ErrorCode.TOO_LARGE)
    record(operator, "2025/c.tif", ErrorCode.TOO_LARGE)
    assert listed("--code", "too_large") == ["2025/c.tif", "2026/b.tif"]
    assert listed("--prefix", "2026/") == ["2026/a.tif", "2026/b.tif"]
    assert listed("--prefix", "2026/", "--code", "too_large") == ["2026/b.tif"]
    assert listed("--limit", "1") == ["2025/c.tif"]


def test_a_line_of_json_says_all_that_is_known(operator: Operator):
    record(operator, "a.tif", ErrorCode.UNREADABLE)
    assert json.loads(imagery_backfill("failures", "list", "--json").stdout) == {
        "bucket": BUCKET,
        "key": "a.tif",
        "etag": "827ccb0eea8a706c4c34a16891f84e7b",
        "size": 5,
        "last_modified": WRITTEN,
        "error_code": "unreadable",
        "error": f"s3://{BUCKET}/a.tif: so it is",
    }


def table(*arguments: str) -> Done:
    return imagery_backfill("failures", "list", *arguments)


def test_a_table_is_cut_and_says_so(operator: Operator):
    for number in range(command.TABLE_ROWS + 1):
        record(operator, f"{number:03d}.tif", ErrorCode.UNREADABLE)
    done = table()
    assert len(done.stdout.splitlines()) == 1 + command.TABLE_ROWS
    assert done.stderr == "the first 50; for all of them: --json\n"
    assert table("--limit", "51").stderr == ""


def test_that_nothing_failed_is_said(operator: Operator):
    assert (table().stdout, table().stderr) == ("", "no image is recorded as failed\n")


def test_a_code_that_is_none_is_wrong_usage(operator: Operator):
    done = table("--code", "never")
    assert done.exit_code == 2
    assert "unreadable" in done.stderr


def test_retry_stands_beside_it():
    assert "retry" in imagery_backfill("failures", "--help").stdout
    assert imagery_backfill("failures", "retry", "--help").exit_code == 0
