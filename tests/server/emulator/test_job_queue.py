from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from batch_job.adapters.batch import BatchJobQueue
from batch_job.errors import SetUpError

pytestmark = pytest.mark.server


@pytest.fixture
def queue(aws: Callable[[str], Any], stack: MappingProxyType[str, str]) -> BatchJobQueue:
    return BatchJobQueue(aws("batch"), queue=stack["Queue"], definition=stack["Definition"])


def test_every_child_of_an_array_gets_the_parameter(
    queue: BatchJobQueue, ended: Callable[..., dict[str, Any]], output: Callable[[dict[str, Any]], list[str]]
):
    job_id = queue.submit_array("20261120T010000Z-1a2b/3c", {"word": "run/plan/0/2"}, size=2)
    assert ended(job_id)["status"] == "SUCCEEDED"
    for index in range(2):
        (line,) = output(ended(f"{job_id}:{index}"))
        assert '"words": ["run/plan/0/2"]' in line
        assert f'"AWS_BATCH_JOB_ARRAY_INDEX": "{index}"' in line


def test_a_job_of_its_own_has_no_number(
    queue: BatchJobQueue, ended: Callable[..., dict[str, Any]], output: Callable[[dict[str, Any]], list[str]]
):
    (line,) = output(ended(queue.submit("alone", {"word": "run/plan/0/1"})))
    assert '"words": ["run/plan/0/1"]' in line
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in line


def test_cancelling_what_is_over_or_was_never_there_is_no_error(
    queue: BatchJobQueue, ended: Callable[..., dict[str, Any]]
):
    job_id = queue.submit("over", {"word": "x"})
    ended(job_id)
    queue.cancel(job_id, reason="test")
    queue.cancel("00000000-0000-0000-0000-000000000000", reason="test")
    assert ended(job_id)["status"] == "SUCCEEDED"


def test_a_definition_that_is_not_there_is_a_matter_of_set_up(
    aws: Callable[[str], Any], stack: MappingProxyType[str, str]
):
    queue = BatchJobQueue(aws("batch"), queue=stack["Queue"], definition="none:1")
    with pytest.raises(SetUpError, match="submitting x to"):
        queue.submit("x", {})
