import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from batch_job.backfill.messages import Delivered, PlanFile
from batch_job.errors import AccessError, ConflictError, InventoryError, SettingsError, UnavailableError
from lambdas.plan_inventory import handle, handler
from tests.unit.backfill.planning import World, keys, triples

CSV = PlanFile("run", "file")
CHECKSUM = Delivered("reports", "b/daily/t/manifest.checksum")


def body_of(message: PlanFile | Delivered) -> str:
    if isinstance(message, PlanFile):
        return message.to_json()
    return json.dumps({"detail": {"bucket": {"name": message.bucket}, "object": {"key": message.key}}})


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}


def failing(error: Exception, *, on: object):
    def run(message: object) -> None:
        if message == on:
            raise error

    return run


def test_messages_that_succeed_are_not_handed_back():
    taken: list[object] = []
    assert handle(event(body_of(CHECKSUM), body_of(CSV)), taken.append) == {"batchItemFailures": []}
    assert taken == [CHECKSUM, CSV]


@pytest.mark.parametrize("error", [UnavailableError("away"), ConflictError("busy"), InventoryError("ORC")])
def test_a_message_that_fails_is_handed_back_alone(error: Exception):
    answer = handle(event(body_of(CHECKSUM), body_of(CSV)), failing(error, on=CSV))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_a_poison_message_is_handed_back_alone():
    taken: list[object] = []
    assert handle(event("poison", body_of(CSV)), taken.append) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert taken == [CSV]


def test_a_failure_of_the_deployment_fails_the_invocation():
    with pytest.raises(AccessError):
        handle(event(body_of(CSV), body_of(CHECKSUM)), failing(AccessError("denied"), on=CSV))


def test_events_about_other_objects_are_passed_over():
    taken: list[object] = []
    assert handle(event(body_of(Delivered("reports", "b/data/1.csv.gz"))), taken.append) == {"batchItemFailures": []}
    assert taken == []


def test_a_message_that_is_left_is_logged_with_its_reason():
    with capture_logs() as logs:
        handle(event(body_of(CSV)), failing(UnavailableError("the index is away"), on=CSV))
    assert [(line["event"], line["error"]) for line in logs] == [("plan.left", "the index is away")]


def test_from_the_event_of_a_checksum_to_jobs():
    world = World()
    delivered = world.deliver(triples("1.tif", "2.txt"), triples("3.tif"))
    assert handle(event(body_of(delivered)), world.planner().take) == {"batchItemFailures": []}
    assert handle(event(*world.messages.bodies), world.planner().take) == {"batchItemFailures": []}
    assert keys(world.submitted()) == ["1.tif", "3.tif"]


def test_a_planner_without_settings_names_all_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SettingsError) as error:
        handler(event(), None)
    for name in ("BUCKET", "RUNS_URI", "INDEX_URL", "PLAN_QUEUE_URL", "JOB_QUEUE", "JOB_DEFINITION"):
        assert f"BACKFILL_{name}:" in str(error.value)
