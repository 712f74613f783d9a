"""Types of our template that ministack lacks, and properties of buckets that it leaves out."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from ministack.services import batch, budgets, cognito, s3
from ministack.services.cloudformation import provisioners

from local.emulation import inventory_api
from local.emulation.batch_records import deregister_definition

Properties = dict[str, Any]
Made = tuple[str, dict[str, str]]
"""Physical id and attributes."""
Handlers = dict[str, Any]

VERBATIM = frozenset({"Parameters", "Tags", "Options"})
"""Maps whose keys are the user's own."""


def to_request(value: Any) -> Any:
    """Turn a template's properties into an API request: the first letter of every key becomes small."""
    if isinstance(value, list):
        return [to_request(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {key[:1].lower() + key[1:]: one if key in VERBATIM else to_request(one) for key, one in value.items()}


def install() -> None:
    """Add the types, and wrap those of buckets."""
    handlers: dict[str, Handlers] = provisioners._RESOURCE_HANDLERS
    handlers["AWS::Batch::ComputeEnvironment"] = _batch_type("ComputeEnvironment", batch._compute_envs)
    handlers["AWS::Batch::JobQueue"] = _batch_type("JobQueue", batch._job_queues)
    handlers["AWS::Batch::JobDefinition"] = _definition_type()
    handlers["AWS::Budgets::Budget"] = {"create": _make_budget, "update": _update_budget, "delete": _drop_budget}
    handlers["AWS::Cognito::UserPoolUser"] = {"create": _make_user, "update": _update_user, "delete": _drop_user}
    buckets = handlers["AWS::S3::Bucket"]
    handlers["AWS::S3::Bucket"] = {
        **buckets,
        "create": _with_inventory(buckets["create"]),
        "update": _with_inventory(buckets["update"]),
    }


def _batch_type(kind: str, records: Any) -> Handlers:
    """Give the handlers of a type whose records are kept by name."""
    key = kind[0].lower() + kind[1:]

    def create(logical_id: str, properties: Properties, stack: str) -> Made:
        name = properties.get(f"{kind}Name") or provisioners._physical_name(stack, logical_id, max_len=128)
        records.pop(name, None)
        made = _call(f"/v1/create{kind.lower()}", {**to_request(properties), f"{key}Name": name})
        return made[f"{key}Arn"], {f"{kind}Arn": made[f"{key}Arn"]}

    def update(physical_id: str, _old: Properties, new: Properties, stack: str) -> Made:
        return create("", {**new, f"{kind}Name": physical_id.rpartition("/")[2]}, stack)

    def delete(physical_id: str, _properties: Properties) -> None:
        records.pop(physical_id.rpartition("/")[2], None)

    return {"create": create, "update": update, "delete": delete}


def _definition_type() -> Handlers:
    def create(logical_id: str, properties: Properties, stack: str) -> Made:
        name = properties.get("JobDefinitionName") or provisioners._physical_name(stack, logical_id, max_len=128)
        made = _call("/v1/registerjobdefinition", {**to_request(properties), "jobDefinitionName": name})
        return made["jobDefinitionArn"], {"JobDefinitionArn": made["jobDefinitionArn"]}

    def update(physical_id: str, _old: Properties, new: Properties, stack: str) -> Made:
        name = physical_id.rpartition("/")[2].partition(":")[0]
        made = create("", {**new, "JobDefinitionName": name}, stack)
        delete(physical_id, new)
        return made

    def delete(physical_id: str, _properties: Properties) -> None:
        deregister_definition({"jobDefinition": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _make_budget(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties["Budget"].get("BudgetName") or provisioners._physical_name(stack, logical_id, max_len=100)
    subscribed = properties.get("NotificationsWithSubscribers", [])
    request = {"Budget": {**properties["Budget"], "BudgetName": name}, "NotificationsWithSubscribers": subscribed}
    _succeeded(budgets._create_budget({"AccountId": s3.get_account_id(), **request}))
    return name, {}


def _update_budget(physical_id: str, _old: Properties, new: Properties, stack: str) -> Made:
    _drop_budget(physical_id, new)
    return _make_budget("", {**new, "Budget": {**new["Budget"], "BudgetName": physical_id}}, stack)


def _drop_budget(physical_id: str, _properties: Properties) -> None:
    budgets._delete_budget({"AccountId": s3.get_account_id(), "BudgetName": physical_id})


def _make_user(_logical_id: str, properties: Properties, _stack: str) -> Made:
    _succeeded(cognito._admin_create_user(properties))
    return properties["Username"], {}


def _update_user(physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
    _drop_user(physical_id, old)
    return _make_user("", new, stack)


def _drop_user(physical_id: str, properties: Properties) -> None:
    cognito._admin_delete_user({"UserPoolId": properties["UserPoolId"], "Username": physical_id})


def _with_inventory(original: Callable[..., Made]) -> Callable[..., Made]:
    """Wrap a bucket's create or update; the properties are the last argument but the stack's name."""

    def wrapped(*given: Any) -> Made:
        name, attributes = original(*given)
        *_, properties, _stack = given
        before = given[1].get("InventoryConfigurations", []) if len(given) > 3 else []
        now = properties.get("InventoryConfigurations", [])
        for gone in {one["Id"] for one in before} - {one["Id"] for one in now}:
            inventory_api.drop(name, gone)
        for one in now:
            inventory_api.put(name, to_inventory_xml(one))
        if tags := properties.get("Tags"):
            s3._bucket_tags[name] = {tag["Key"]: tag["Value"] for tag in tags}
        return name, attributes

    return wrapped


def to_inventory_xml(properties: Properties) -> ET.Element:
    """Turn a template's inventory configuration into the API's."""
    root = ET.Element("InventoryConfiguration", xmlns=inventory_api.NAMESPACE)
    destination = properties["Destination"]
    within = ET.SubElement(ET.SubElement(root, "Destination"), "S3BucketDestination")
    texts = {"AccountId": "BucketAccountId", "Bucket": "BucketArn", "Format": "Format", "Prefix": "Prefix"}
    for tag, name in texts.items():
        if name in destination:
            ET.SubElement(within, tag).text = destination[name]
    ET.SubElement(root, "IsEnabled").text = str(properties["Enabled"]).lower()
    if "Prefix" in properties:
        ET.SubElement(ET.SubElement(root, "Filter"), "Prefix").text = properties["Prefix"]
    ET.SubElement(root, "Id").text = properties["Id"]
    ET.SubElement(root, "IncludedObjectVersions").text = properties["IncludedObjectVersions"]
    fields = ET.SubElement(root, "OptionalFields")
    for field in properties.get("OptionalFields", []):
        ET.SubElement(fields, "Field").text = field
    ET.SubElement(ET.SubElement(root, "Schedule"), "Frequency").text = properties["ScheduleFrequency"]
    return root


def _call(path: str, request: Properties) -> Properties:
    return _succeeded(batch._DISPATCH[path](request))


def _succeeded(answer: Any) -> Properties:
    status, _headers, body = answer
    told: Properties = json.loads(body or b"{}")
    if status >= 400:
        raise ValueError(str(told.get("message") or told.get("Message") or told))
    return told
