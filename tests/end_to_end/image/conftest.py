"""The image, built by buildah once a session and run by podman, as nobody special on a read-only root.

Skipped with the reason where a tool is missing; ``tests/end_to_end/image/set_up.sh`` fetches them (Debian, root).
"""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.user import CREDENTIALS, World

PROJECT = Path(__file__).parents[3]
BASE = os.environ.get("IMAGE_TEST_BASE", "localhost/base:py312")
IMAGE = "localhost/imagery-backfill:test"
TOOLS = ("buildah", "podman", "runc")
RIE = "aws-lambda-rie"
CURE = "sh tests/end_to_end/image/set_up.sh brings it (Debian, root)"
PODMAN = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file")
SOMEBODY = "993:990"
"""Not the image's own user: Lambda takes another."""
BUILD_WITHIN_S = 900
RUN_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    exit_code: int
    output: str

    def lines(self, event: str) -> list[dict]:
        """What it logged under a name."""
        found = (json.loads(line) for line in self.output.splitlines() if line.startswith("{"))
        return [line for line in found if line["event"] == event]


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs."""

    name: str
    process: "subprocess.Popen[str]"

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        subprocess.run([*PODMAN, "kill", "--signal", name, self.name], check=True, capture_output=True)

    def ended(self) -> Ended:
        """Wait for its end."""
        output, _ = self.process.communicate(timeout=RUN_WITHIN_S)
        return Ended(self.process.returncode, output)


@contextmanager
def running(
    *command: str,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = ("--tmpfs", "/tmp"),  # noqa: S108
) -> Iterator[Container]:
    """Run the image; whatever happens, nothing of it stays."""
    name = f"image-test-{uuid.uuid4().hex[:12]}"
    limits = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--memory", "2048m", "--cpus", "1")
    least = ("--network", "host", "--read-only", "--user", SOMEBODY, "--cap-drop", "all", "--image-volume", "ignore")
    variables = [one for key, value in (env or {}).items() for one in ("--env", f"{key}={value}")]
    argv = [*PODMAN, "run", "--rm", "--name", name, *limits, *least, *variables, *options, IMAGE, *command]
    process = subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Container(name, process)
    finally:
        if process.poll() is None:
            subprocess.run([*PODMAN, "kill", name], check=False, capture_output=True)
        process.communicate()


Run = Callable[..., Ended]


@pytest.fixture
def run(image: str) -> Run:
    """Runs the image to its end."""
    del image

    def run(*command: str, **how: object) -> Ended:
        with running(*command, **how) as container:  # type: ignore[arg-type]
            return container.ended()

    return run


@pytest.fixture(scope="session")
def image() -> str:
    """Built of the working tree; layers of earlier builds are used again."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; {CURE}")
    if os.geteuid() != 0:
        pytest.skip("building without docker needs root here")
    if subprocess.run(["buildah", "inspect", "--type", "image", BASE], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no base image {BASE}; {CURE}")
    how = (
        "--isolation",
        "chroot",
        "--network",
        "host",
        "--format",
        "docker",
        "--layers",
        "--build-arg",
        f"BASE={BASE}",
    )
    built = subprocess.run(
        ["buildah", "bud", *how, "--tag", IMAGE, "."],
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-3000:]
    return IMAGE


@pytest.fixture(scope="session")
def rie() -> str:
    """The path of Lambda's runtime interface emulator."""
    found = shutil.which(RIE)
    if found is None:
        pytest.skip(f"{RIE} is not installed; {CURE}")
    return found


def places(world: World) -> dict[str, str]:
    """Where everything of a world is, as settings name it."""
    return {
        "runs_uri": f"s3://{world.archive}/runs-of-all",
        "archive_uri": f"s3://{world.archive}/paid",
        "index_url": world.index_url,
        "index_prefix": world.prefix,
    }


def account(world: World) -> dict[str, str]:
    """The environment that a container of a world finds its account in."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": world.s3_endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
