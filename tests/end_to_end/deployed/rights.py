"""Who may do what in a deployed stack: what its roles were granted, what they used, what they were refused."""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.emulation.auth import ALLOWED_FILE, DENIALS_FILE
from tests.end_to_end.deployed.assembly import STACK
from tests.end_to_end.deployed.stack import Stack

HANDLERS = {
    "planner": "lambdas.plan_inventory.handler",
    "live": "lambdas.on_object.handler",
    "inventory-set-up": "lambdas.set_up_inventory.handler",
    "search-set-up": "lambdas.set_up_search.handler",
}
JOBS = {"backfill-job": f"{STACK}-backfill", "live-job": f"{STACK}-live"}
OPERATOR = "operator"


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """What somebody did or was refused; and what somebody may do, the resource being a pattern then."""

    role: str
    action: str
    resource: str


class Rights:
    """The roles of a stack that stands, by what they are for; IAM's own names for them are nobody's business."""

    def __init__(self, stack: Stack) -> None:
        self._folder, self._client = stack.site.folder, stack.site.client
        self._iam = stack.site.client("iam")
        self.names: Mapping[str, str] = dict(self._find(stack))
        self._denied_before = 0
        self._denied_before = len(self.denied())

    def _find(self, stack: Stack) -> Iterator[tuple[str, str]]:
        by_handler = {
            command: one["Role"].rpartition("/")[2]
            for one in self._client("lambda").list_functions()["Functions"]
            for command in one.get("ImageConfigResponse", {}).get("ImageConfig", {}).get("Command", ())
        }
        for name, handler in HANDLERS.items():
            yield name, by_handler[handler]
        for name, definition in JOBS.items():
            [found] = self._client("batch").describe_job_definitions(jobDefinitionName=definition)["jobDefinitions"]
            yield name, found["containerProperties"]["jobRoleArn"].rpartition("/")[2]
        yield OPERATOR, stack.outputs["OperatorRole"].rpartition("/")[2]

    def granted(self) -> list[Call]:
        """Give what each role may do."""
        return sorted(
            Call(name, action, resource)
            for name, role in self.names.items()
            for statement in self._statements(role)
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        )

    def _statements(self, role: str) -> Iterator[dict[str, Any]]:
        for document in self._policies(role).values():
            yield from document["Statement"]

    def _policies(self, role: str) -> dict[str, dict[str, Any]]:
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = {name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
        return {name: json.loads(text) if isinstance(text, str) else text for name, text in found.items()}

    @contextmanager
    def without(self, name: str, action: str, on: str = "*") -> Iterator[None]:
        """Take a grant away for as long as the block lasts: of one action, on resources of a kind."""
        role = self.names[name]
        before = self._policies(role)
        taken = {policy: _less(document, action, on) for policy, document in before.items()}
        assert taken != before, f"{name} has no grant of {action} on {on}"
        self._put(role, taken)
        try:
            yield
        finally:
            self._put(role, before)

    def _put(self, role: str, policies: Mapping[str, Any]) -> None:
        for name, document in policies.items():
            self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def denied(self) -> list[Call]:
        """Give what was refused since this was made."""
        return list(self._calls(DENIALS_FILE))[self._denied_before :]

    def used(self) -> list[Call]:
        """Give what roles did since the emulator was started."""
        return list(self._calls(ALLOWED_FILE))

    def _calls(self, file: str) -> Iterator[Call]:
        roles = {role: name for name, role in self.names.items()}
        for line in self._lines(file):
            call = json.loads(line)
            role = call["principal"].rpartition(":assumed-role/")[2].partition("/")[0]
            yield Call(roles.get(role, role), call["action"], call["resource"])

    def _lines(self, file: str) -> list[str]:
        path = self._folder / file
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _less(document: Mapping[str, Any], action: str, on: str) -> dict[str, Any]:
    statements = [one for each in document["Statement"] for one in _split(each, action, on)]
    return {**document, "Statement": statements}


def _split(statement: Mapping[str, Any], action: str, on: str) -> Iterator[Mapping[str, Any]]:
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    if action not in actions or not any(fnmatch.fnmatch(one, on) for one in resources):
        yield statement
        return
    others = [one for one in actions if one != action]
    kept = [one for one in resources if not fnmatch.fnmatch(one, on)]
    if others:
        yield {**statement, "Action": others}
    if kept:
        yield {**statement, "Action": [action], "Resource": kept}


def unused(granted: list[Call], used: list[Call]) -> list[Call]:
    """Give what was granted and never used."""
    done = set(used)
    return [right for right in granted if not any(covers(right, call) for call in done)]


def covers(right: Call, call: Call) -> bool:
    """Tell whether a right is what lets a call pass."""
    same = (right.role, right.action) == (call.role, call.action)
    return same and fnmatch.fnmatchcase(call.resource, right.resource)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
