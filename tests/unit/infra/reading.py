"""Reading a template: resources by type and property, and who may do what."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.parts.grants import spelled

Template = Mapping[str, Any]
Resource = dict[str, Any]

CHANGED: dict[str, Any] = {
    "stack": "Two",
    "mail": "somebody@example.org",
    "build": "codebuild",
    "removal": "destroy",
    "log_days": 7,
    "bucket_kms_key_arns": "arn:aws:kms:eu-central-1:111122223333:key/one",
    "chip_px": 800,
    "min_confidence": 70,
    "include_labels": "Boat,Car",
    "dem": "s3://maps/heights/europe.tif",
    "exclude_prefixes": "old/",
    "new_bucket": True,
}
"""A deployment with most settings other than by default."""
BROUGHT: dict[str, Any] = {
    "new_bucket": True,
    "domain_endpoint": "search-mine.eu-central-1.es.amazonaws.com",
    "domain_arn": "arn:aws:es:eu-central-1:111122223333:domain/mine",
    "capacity": "on_demand",
    "max_vcpus": 64,
    "live_vcpus": 4,
}
"""A large one beside a domain that is there already; its fingerprints are the default's."""
VARIANTS: tuple[dict[str, Any], ...] = ({}, CHANGED, BROUGHT)
"""All that the tests of the stack synthesise: each takes seconds."""


def resources(template: Template, kind: str) -> dict[str, Resource]:
    """Properties of a type's resources by their logical ids."""
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def function_of(template: Template, handler: str) -> tuple[str, Resource]:
    """Find the function that runs a handler of the image."""
    found = [
        (name, one)
        for name, one in resources(template, "AWS::Lambda::Function").items()
        if one.get("ImageConfig", {}).get("Command") == [handler]
    ]
    assert len(found) == 1, handler
    return found[0]


def job_of(template: Template, name: str) -> Resource:
    """Find a job definition by its name."""
    found = [
        one for one in resources(template, "AWS::Batch::JobDefinition").values() if one["JobDefinitionName"] == name
    ]
    assert len(found) == 1, name
    return found[0]


def environment(job: Resource) -> dict[str, str]:
    """A job's variables; references are spelled."""
    return {one["Name"]: spelled(one["Value"]) for one in job["ContainerProperties"]["Environment"]}


def reference(value: Any) -> str:
    """The logical id that a reference names."""
    name: str = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    return name


def statements(template: Template, role: str) -> Iterator[Resource]:
    """What a role's policies say."""
    for policy in resources(template, "AWS::IAM::Policy").values():
        if role in map(reference, policy["Roles"]):
            yield from policy["PolicyDocument"]["Statement"]


def allowed(template: Template, role: str) -> set[tuple[str, str]]:
    """Pairs of action and resource; a resource is spelled with its references in angle brackets."""
    return {
        (action, spelled(resource))
        for one in statements(template, role)
        if one["Effect"] == "Allow"
        for action in _listed(one["Action"])
        for resource in _listed(one["Resource"])
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
