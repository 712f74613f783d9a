"""The product's template, written once, and deployed by the API: in half the time that the CDK's command line takes."""

import contextlib
import fcntl
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.unit.infra.conftest import write_template

STACK = "ImageryBackfill"
ACCOUNT = "000000000000"
BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
DEPLOYED_WITHIN_S = 120.0
NO_CHANGES: Mapping[str, str] = MappingProxyType({})

Client = Callable[[str], Any]
"""Gives a boto3 client of a service."""


def synthesised(shared: Path, **settings: Any) -> Path:
    """Write the assembly, unless it is there already; several processes may ask at once."""
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = shared / f"deployed-{name}"
    with (shared / f"deployed-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "written").exists():
            write_template(folder, **settings)
            (folder / "written").touch()
    return folder


@dataclass(frozen=True)
class Assembly:
    """What ``cdk synth`` wrote."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of workers, in place of the template's own; for what no setting of a deployment says."""

    def template(self) -> dict[str, Any]:
        """Read the template, and change the variables of its workers."""
        found: dict[str, Any] = json.loads((self.folder / f"{STACK}.template.json").read_bytes())
        for name, value in self.variables.items():
            assert _replace(found, name, value), f"no worker has {name}"
        return found

    def deploy(self, client: Client) -> dict[str, str]:
        """Make the stack; gives its outputs."""
        url = self._put_assets(client)
        cloudformation = client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateURL=url, Capabilities=CAPABILITIES)
        end = time.monotonic() + DEPLOYED_WITHIN_S
        while (stack := described(client))["StackStatus"].endswith("IN_PROGRESS"):
            assert time.monotonic() < end, "the stack does not come to stand"
            time.sleep(0.05)
        assert stack["StackStatus"] == "CREATE_COMPLETE", list(_reasons(client))
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def _put_assets(self, client: Client) -> str:
        """Do what ``cdk bootstrap`` and publishing do; gives the template's address."""
        s3 = client("s3")
        client("ssm").put_parameter(Name=BOOTSTRAP_VERSION, Value="32", Type="String", Overwrite=True)
        bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{s3.meta.region_name}"
        s3.create_bucket(Bucket=bucket)
        for asset in json.loads((self.folder / f"{STACK}.assets.json").read_bytes())["files"].values():
            path, [to] = self.folder / asset["source"]["path"], asset["destinations"].values()
            body = _zipped(path) if asset["source"]["packaging"] == "zip" else path.read_bytes()
            s3.put_object(Bucket=bucket, Key=to["objectKey"], Body=body)
        s3.put_object(Bucket=bucket, Key="template", Body=json.dumps(self.template()).encode())
        return f"{s3.meta.endpoint_url}/{bucket}/template"


def described(client: Client) -> dict[str, Any]:
    """Give what CloudFormation says of the stack."""
    found: dict[str, Any] = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return found


def _reasons(client: Client) -> Iterator[str]:
    for event in client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]:
        if event["ResourceStatus"].endswith("FAILED"):
            yield f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"


def _replace(node: Any, name: str, value: str) -> int:
    """Change a variable wherever it stands, of Lambdas or of containers; gives how often."""
    if isinstance(node, list):
        return sum(_replace(one, name, value) for one in node)
    if not isinstance(node, dict):
        return 0
    found = 0
    if node.get("Name") == name and "Value" in node:
        node["Value"], found = value, 1
    if isinstance(node.get(name), str):
        node[name], found = value, found + 1
    return found + sum(_replace(one, name, value) for one in node.values())


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with contextlib.closing(zipfile.ZipFile(packed, "w")) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return packed.getvalue()
