"""Templates, synthesised once a session for each set of settings, whichever worker asks first."""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

NODE = Path(sys.executable).parent / "node"
if NODE.exists():  # beside our Python, rather than whatever the machine has; read when aws_cdk is first used
    os.environ.setdefault("JSII_NODE", str(NODE))

from aws_cdk import App  # noqa: E402
from aws_cdk.assertions import Template  # noqa: E402

from infra.app import build  # noqa: E402

PROJECT = Path(__file__).parents[3]
BUCKET = "my-imagery"


class Synthesise(Protocol):
    """Gives the template of a deployment."""

    def __call__(self, **settings: Any) -> Template: ...


def context(**settings: Any) -> dict[str, Any]:
    """Give what the CDK's command line would tell the app."""
    flags = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return flags | {"bucket": BUCKET} | settings


def write_template(folder: Path, **settings: Any) -> str:
    app = App(context=context(**settings), outdir=str(folder), analytics_reporting=False)
    stack = build(app)
    app.synth()
    return (folder / f"{stack.stack_name}.template.json").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def template_json(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Gives templates as dictionaries; workers of one run share them."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    held: dict[str, dict[str, Any]] = {}

    def find(**settings: Any) -> dict[str, Any]:
        name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        if name not in held:
            file = shared / f"template-{name}.json"
            with (shared / f"template-{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not file.exists():
                    text = write_template(tmp_path_factory.mktemp("cdk.out"), **settings)
                    file.write_text(text, encoding="utf-8")
            held[name] = json.loads(file.read_text(encoding="utf-8"))
        return held[name]

    return find


@pytest.fixture(scope="session")
def synthesise(template_json: Callable[..., dict[str, Any]]) -> Synthesise:
    held: dict[str, Template] = {}

    def find(**settings: Any) -> Template:
        name = json.dumps(settings, sort_keys=True)
        if name not in held:
            held[name] = Template.from_json(template_json(**settings))
        return held[name]

    return find


@pytest.fixture(scope="session")
def template(synthesise: Synthesise) -> Template:
    """The template for an existing bucket, everything else as it is by default."""
    return synthesise()
