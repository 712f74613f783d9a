import json

import pytest
import structlog

from batch_job.adapters.memory_runs import MemoryDeliveries
from batch_job.backfill.messages import Delivered, PlanFile
from batch_job.errors import InputError, SettingsError
from lambdas import batches
from lambdas.plan_inventory import HAND_BACK_S, bounded, handler, take
from tests.unit.backfill.planning import World, keys, triples
from tests.unit.lambdas.batches import Context, event

CSV = PlanFile("run", "file")
CHECKSUM = Delivered("reports", "b/daily/t/manifest.checksum")


def body_of(message: PlanFile | Delivered) -> str:
    if isinstance(message, PlanFile):
        return message.to_json()
    return json.dumps({"detail": {"bucket": {"name": message.bucket}, "object": {"key": message.key}}})


def test_messages_ask_for_a_run_or_one_of_its_files():
    taken: list[object] = []
    take(body_of(CHECKSUM), taken.append)
    take(body_of(CSV), taken.append)
    assert taken == [CHECKSUM, CSV]


def test_a_poison_message_is_nothing_that_a_retry_helps():
    with pytest.raises(InputError, match="not a message for the planner"):
        take("poison", lambda _: None)


def test_events_about_other_objects_are_passed_over():
    taken: list[object] = []
    take(body_of(Delivered("reports", "b/data/1.csv.gz")), taken.append)
    assert taken == []


def test_from_the_event_of_a_checksum_to_jobs():
    world = World()
    delivered = world.deliver(triples("1.tif", "2.txt"), triples("3.tif"))
    take(body_of(delivered), world.planner().take)
    for body in tuple(world.messages.bodies):
        take(body, world.planner().take)
    assert keys(world.submitted()) == ["1.tif", "3.tif"]


def test_a_planner_without_settings_names_all_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    deliveries = MemoryDeliveries()
    monkeypatch.setattr(batches, "open_deliveries", lambda _arn: deliveries)
    try:
        with pytest.raises(SettingsError) as error:
            handler(event(body_of(CSV)), Context())
    finally:
        structlog.reset_defaults()
    for name in ("BUCKET", "RUNS_URI", "INDEX_URL", "PLAN_QUEUE_URL", "JOB_QUEUE", "JOB_DEFINITION"):
        assert f"BACKFILL_{name}:" in str(error.value)
    assert deliveries.waits_s == {"r0": batches.FIRST_WAIT_S}


def test_no_messages_are_no_failures():
    assert handler(event(), Context()) == {"batchItemFailures": []}


def test_a_file_for_which_the_function_has_no_time_left_is_a_jobs():
    world = World()
    world.planner().begin(world.deliver(triples("1.tif")))
    (message,) = world.sent()
    take(body_of(message), bounded(world.planner(), Context(HAND_BACK_S - 1)).take)
    assert [job.parameters["task"] for job in world.jobs.jobs.values()] == ["plan"]
    take(body_of(message), bounded(world.planner(), Context(HAND_BACK_S + 1)).take)
    assert keys(world.submitted()) == ["1.tif"]
