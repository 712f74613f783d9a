"""The image as Lambda runs it: under the runtime interface emulator, an event in, an answer out."""

import json
import socket
import urllib.request
from typing import Any

import pytest

from batch_job.adapters.opensearch import create_indices
from batch_job.settings import LiveSettings
from local.emulator import REGION
from tests.end_to_end.files import CAR, good
from tests.end_to_end.image.conftest import Container, account, places, running
from tests.end_to_end.test_interruptions import wait_for
from tests.unit.lambdas.batches import event, of_s3

ENTRYPOINT = ("python", "-m", "awslambdaric")
"""As ``infra/parts/image.py`` says it to Lambda."""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as calling:
        return calling.connect_ex(("127.0.0.1", port)) == 0


def under(rie: str, port: int) -> tuple[str, ...]:
    """Podman's options for a Lambda that is invoked through a port of this machine."""
    address = f"127.0.0.1:{port}"
    argv = ["/rie", "--runtime-interface-emulator-address", address, *ENTRYPOINT]
    return ("--tmpfs", "/tmp", "--volume", f"{rie}:/rie:ro", "--entrypoint", json.dumps(argv))  # noqa: S108


def as_lambda(env: dict[str, str]) -> dict[str, str]:
    """Add what Lambda itself sets (Lambda guide, "Defined runtime environment variables") and its emulator does not."""
    return env | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def invoke(container: Container, port: int, sent: dict[str, Any]) -> Any:
    """Send an event, once the emulator listens."""
    wait_for(lambda: container.process.poll() is not None or is_open(port))
    assert container.process.poll() is None, container.ended().output
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    with urllib.request.urlopen(url, json.dumps(sent).encode(), timeout=120) as answer:
        return json.load(answer)


def test_an_object_that_came_is_in_the_index_when_the_lambda_answers(image, rie, world):
    del image
    create_indices(world.index, world.names)
    world.put("a b/é+1.tif", good())
    told = LiveSettings.load(
        bucket=world.bucket,
        detector=f"rekognition@{world.rekognition_url}",
        live_job_queue="live",
        live_job_definition="live",
        **places(world),
    )
    port = free_port()
    handler = "lambdas.on_object.handler"
    with running(handler, env=as_lambda(account(world) | told.to_env()), options=under(rie, port)) as container:
        sent = event(of_s3(world.bucket, "a b/é+1.tif"), of_s3(world.bucket, "gone.tif", "Object Deleted"))
        assert invoke(container, port, sent) == {"batchItemFailures": []}
    assert world.cars("a b/é+1.tif") == [pytest.approx(CAR, abs=1)]


def answered(rie: str, name: str, sent: dict[str, Any], env: dict[str, str]) -> Any:
    port = free_port()
    with running(f"lambdas.{name}.handler", env=as_lambda(env), options=under(rie, port)) as container:
        return invoke(container, port, sent)


def test_the_planner_answers_a_batch_of_nothing(image, rie):
    del image
    assert answered(rie, "plan_inventory", {"Records": []}, {}) == {"batchItemFailures": []}


def test_the_search_set_up_answers_the_end_of_its_stack(image, rie):
    del image
    gone = {"RequestType": "Delete", "PhysicalResourceId": "search-imagery"}
    assert answered(rie, "set_up_search", gone, {}) == {"PhysicalResourceId": "search-imagery"}


def test_the_inventory_set_up_puts_a_configuration(image, rie, world):
    del image
    reports = "arn:aws:s3:::reports"
    properties = {
        "Bucket": world.bucket,
        "Id": "daily",
        "DestinationBucketArn": reports,
        "DestinationAccountId": "000000000000",
    }
    created = {"RequestType": "Create", "ResourceProperties": properties}
    assert answered(rie, "set_up_inventory", created, account(world))["PhysicalResourceId"] == f"{world.bucket}/daily"
    put = world.s3.get_bucket_inventory_configuration(Bucket=world.bucket, Id="daily")["InventoryConfiguration"]
    assert put["Destination"]["S3BucketDestination"]["Bucket"] == reports
