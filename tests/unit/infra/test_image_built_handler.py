"""The custom resource that waits for the image; CodeBuild and ECR are botocore's stubs, by their own models."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.stub import Stubber

from infra.parts import image_built_handler
from infra.parts.image_built_handler import is_complete, on_event

WANTED = {"Repository": "images", "Project": "builder", "Tag": "abc"}
BUILD = "builder:123"
ASKED = {"repositoryName": "images", "imageIds": [{"imageTag": "abc"}]}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stubber]]:
    """Gives the stub of a service; what it was not told of fails."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a")
    clients = {name: boto3.client(name, region_name="us-east-1") for name in ("ecr", "codebuild")}
    stubs = {name: Stubber(client) for name, client in clients.items()}
    monkeypatch.setattr(image_built_handler.boto3, "client", clients.__getitem__)
    for one in stubs.values():
        one.activate()
    yield stubs.__getitem__
    for one in stubs.values():
        one.assert_no_pending_responses()


def event(kind: str = "Create", **more: str) -> dict:
    return {"RequestType": kind, "ResourceProperties": WANTED, **more}


def missing(stub: Callable[[str], Stubber]) -> None:
    stub("ecr").add_client_error("describe_images", "ImageNotFoundException", expected_params=ASKED)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_tag_that_the_repository_lacks_is_built(stub, kind):
    missing(stub)
    stub("codebuild").add_response("start_build", {"build": {"id": BUILD}}, {"projectName": "builder"})
    assert on_event(event(kind), None) == {"PhysicalResourceId": "image", "Data": {"Tag": "abc"}, "BuildId": BUILD}


def test_a_tag_that_is_there_is_not_built_again(stub):
    stub("ecr").add_response("describe_images", {"imageDetails": [{}]}, ASKED)
    answer = on_event(event("Update"), None)
    assert answer == {"PhysicalResourceId": "image", "Data": {"Tag": "abc"}}
    assert is_complete(event("Update", **answer), None) == {"IsComplete": True}


def test_deleting_does_nothing(stub):
    del stub
    assert is_complete(event("Delete", **on_event(event("Delete"), None)), None) == {"IsComplete": True}


@pytest.mark.parametrize(("status", "complete"), [("IN_PROGRESS", False), ("SUCCEEDED", True)])
def test_it_is_complete_when_the_build_is(stub, status, complete):
    stub("codebuild").add_response(
        "batch_get_builds", {"builds": [{"id": BUILD, "buildStatus": status}]}, {"ids": [BUILD]}
    )
    assert is_complete(event(BuildId=BUILD), None) == {"IsComplete": complete}


@pytest.mark.parametrize("status", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_a_failed_build_fails_the_deployment_and_says_why_and_where(stub, status):
    phases = [
        {"phaseType": "QUEUED"},
        {"phaseType": "BUILD", "contexts": [{"statusCode": "X", "message": "Error while executing docker build"}]},
    ]
    build = {"id": BUILD, "buildStatus": status, "phases": phases, "logs": {"deepLink": "https://logs"}}
    stub("codebuild").add_response("batch_get_builds", {"builds": [build]}, {"ids": [BUILD]})
    with pytest.raises(RuntimeError) as failed:
        is_complete(event(BuildId=BUILD), None)
    assert str(failed.value) == f"{BUILD} {status}: BUILD: Error while executing docker build; log: https://logs"


def test_a_failure_without_words_still_fails(stub):
    stub("codebuild").add_response("batch_get_builds", {"builds": [{"id": BUILD, "buildStatus": "FAULT"}]})
    with pytest.raises(RuntimeError, match="FAULT"):
        is_complete(event(BuildId=BUILD), None)


def test_a_repository_that_cannot_be_read_is_no_missing_image(stub):
    stub("ecr").add_client_error("describe_images", "AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        on_event(event(), None)
