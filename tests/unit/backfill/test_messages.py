import json

import pytest
from hypothesis import given

from batch_job.backfill.messages import Delivered, PlanFile, read_message
from batch_job.errors import InputError
from tests.strategies import names


def event(key: str) -> str:
    facts = {"bucket": {"name": "reports"}, "object": {"key": key, "size": 33, "etag": "e", "sequencer": "00"}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": facts})


@pytest.mark.parametrize(
    "key", ["b/daily/2026-11-20T01-00Z/manifest.checksum", "manifest.checksum", "a+b%20/manifest.checksum"]
)
def test_a_checksum_is_an_inventory_and_its_key_stands_as_it_is(key: str):
    assert read_message(event(key)) == Delivered("reports", key)


@pytest.mark.parametrize("key", ["b/daily/t/manifest.json", "b/data/1.csv.gz", "my-manifest.checksum", ""])
def test_other_objects_are_passed_over(key: str):
    assert read_message(event(key)) is None


@given(run_id=names, file_id=names)
def test_the_planners_own_messages_come_back(run_id: str, file_id: str):
    message = PlanFile(run_id, file_id)
    assert read_message(message.to_json()) == message


@pytest.mark.parametrize("body", ["", "{", "[]", "1", "null", '"run_id"', "{}", '{"detail": {}}', '{"run_id": "r"}'])
def test_anything_else_is_refused(body: str):
    with pytest.raises(InputError, match="not a message for the planner"):
        read_message(body)
