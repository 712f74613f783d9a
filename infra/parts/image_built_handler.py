"""The custom resource that starts a build of the image and ends with it; speaks the protocol of CDK's ``Provider``.

Its text stands in the template, as there is no image yet that could hold it; boto3 is the one of Lambda's runtime.
"""

from typing import Any

import boto3  # noqa: TID251  it runs where there is no batch_job

PHYSICAL_ID = "image"
MAX_REASON_CHARS = 900
"""CloudFormation takes 4,096 bytes of answer in all, and a character has up to four."""


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Start a build of the tag, unless the repository has it: the same sources, or a deployment rolled back."""
    wanted = event["ResourceProperties"]
    answer = {"PhysicalResourceId": PHYSICAL_ID, "Data": {"Tag": wanted["Tag"]}}
    if event["RequestType"] == "Delete" or _has(wanted["Repository"], wanted["Tag"]):
        return answer
    started = boto3.client("codebuild").start_build(projectName=wanted["Project"])
    return {**answer, "BuildId": started["build"]["id"]}


def is_complete(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Tell whether the build, if there is one, is over.

    Raises:
        RuntimeError: it failed; says where, why and in which log.
    """
    if "BuildId" not in event:
        return {"IsComplete": True}
    [build] = boto3.client("codebuild").batch_get_builds(ids=[event["BuildId"]])["builds"]
    if build["buildStatus"] not in ("IN_PROGRESS", "SUCCEEDED"):
        raise RuntimeError(f"{build['id']} {build['buildStatus']}: {_reason(build)[:MAX_REASON_CHARS]}")
    return {"IsComplete": build["buildStatus"] == "SUCCEEDED"}


def _has(repository: str, tag: str) -> bool:
    ecr = boto3.client("ecr")
    try:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return False
    return True


def _reason(build: dict[str, Any]) -> str:
    contexts = [
        f"{phase['phaseType']}: {context['message']}"
        for phase in build.get("phases", ())
        for context in phase.get("contexts", ())
        if context.get("message")
    ]
    return "; ".join([*contexts, f"log: {build.get('logs', {}).get('deepLink')}"])
