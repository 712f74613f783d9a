"""The demo's deployment: a bucket, the stack beside it, nights and days; all by the commands that users have."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import orjson
from rich.console import Console

from batch_job.errors import SetUpError
from local.deploying import Cdk
from local.emulator import KEY, REGION, aws_environment
from local.inventory import deliver
from local.recipes import clean_environment
from local.scenes import MadeScene
from local.servers import STATE_FOLDER, StandIns

STACK = "ImageryBackfill"
BUCKET = "local-imagery"
CDK = Cdk(
    folder=(STATE_FOLDER / "cdk").resolve(),
    settings={
        "bucket": BUCKET,
        "mail": "somebody@example.org",
        "max_vcpus": "3",  # two for the backfill, as this machine may have no more
        "backfill_calls_per_s": "50",
        "live_calls_per_s": "10",
        "shard_chips": "40",  # many small children rather than a few large ones
    },
)
SETTLED_WITHIN_S = 240
LOOK_S = 0.5


class StillWorkingError(SetUpError):
    """What should have come in line by now has not."""


class DemoStack:
    """A stack on the stand-ins, and the bucket beside it."""

    def __init__(self, servers: StandIns, console: Console) -> None:
        """Say on ``console`` what is run."""
        self.servers, self.console = servers, console
        self.s3 = boto3.client(
            "s3",
            endpoint_url=servers.aws_endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )

    def make_bucket(self) -> None:
        """Make the bucket that somebody has had for long."""
        self.s3.create_bucket(Bucket=BUCKET)

    def upload(self, image: Path, key: str) -> None:
        """Put an image into the bucket, over what has its key."""
        self.s3.upload_file(str(image), BUCKET, key)

    def delete(self, key: str) -> None:
        """Take an image out of the bucket."""
        self.s3.delete_object(Bucket=BUCKET, Key=key)

    def deliver_inventory(self) -> int:
        """Do what S3 does at night; gives the number of data files."""
        return len(deliver(self.s3, BUCKET).data_keys)

    def run_finished(self) -> Mapping[str, Any]:
        """Watch the run that the inventory began, as an operator does, to its end; gives its last status.

        Raises:
            StillWorkingError: it does not come to its end.
        """
        for status in self._watched():
            run = status["run"]
            self.console.print(_line(status), style="dim", markup=False)
            if run is not None and run["finished"]:
                return status
        raise StillWorkingError("the status ended before the run")

    def _watched(self) -> Iterator[Mapping[str, Any]]:
        until = time.monotonic() + SETTLED_WITHIN_S
        command = self._command("status", "--watch", "--json")
        with subprocess.Popen(command, env=self._environment(), stdout=subprocess.PIPE) as watching:
            try:
                for line in watching.stdout or ():
                    yield orjson.loads(line)
                    if time.monotonic() > until:
                        raise StillWorkingError(f"the run is not finished after {SETTLED_WITHIN_S} s")
            finally:
                watching.send_signal(signal.SIGINT)  # as Ctrl-C

    def settled(self) -> Mapping[str, Any]:
        """Wait until no event, message or job of the live path is left; gives the last status.

        Raises:
            StillWorkingError: some are left.
        """
        until = time.monotonic() + SETTLED_WITHIN_S
        quiet = 0
        while time.monotonic() < until:
            status = self.status()
            quiet = quiet + 1 if _is_quiet(status) else 0
            if quiet > 1:  # an event takes a moment from the bucket to the queue
                return status
            time.sleep(LOOK_S)
        raise StillWorkingError(f"the live path still works after {SETTLED_WITHIN_S} s: {_line(status)}")

    def refresh(self) -> None:
        """Make searches see at once what they would see within 5 s."""
        with urlopen(Request(f"{self.servers.opensearch_url}/_refresh", method="POST")) as answer:  # noqa: S310
            answer.read()

    def status(self) -> Mapping[str, Any]:
        """Ask the system how it stands."""
        found: Mapping[str, Any] = orjson.loads(self._run("status", "--json"))
        return found

    def say_and_run(self, *arguments: str) -> str:
        """Print a command, run it as a user, give its output."""
        shown = shlex.join(["imagery-backfill", "--stack", STACK, *arguments])
        self.console.print(f"$ {shown}", markup=False, soft_wrap=True)
        return self._run(*arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            self._command(*arguments), env=self._environment(), stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            raise SetUpError(f"imagery-backfill {shlex.join(arguments)} ended with exit code {done.returncode}")
        return done.stdout

    def _command(self, *arguments: str) -> Sequence[str]:
        """Name the index too: the stack's own address is one with TLS, which the stand-in has not."""
        name, *rest = arguments
        index = ("--index", self.servers.opensearch_url)
        return (sys.executable, "-m", "batch_job.cli", "--stack", STACK, name, *rest, *index)

    def _environment(self) -> dict[str, str]:
        return clean_environment(**aws_environment(self.servers.aws_endpoint))


def key_of(made: MadeScene) -> str:
    """Name a scene's object."""
    return f"scenes/{made.image.name}"


def _line(status: Mapping[str, Any]) -> str:
    """Say in one line what the system says of itself."""
    run = status["run"]
    if run is None:
        return "status: no run yet"
    images, files, shards = run["images"], run["csv_files"], run["shards"]
    pace = run["pace"]
    rate = f", {pace['calls_per_s']:.1f} calls/s" if pace else ""
    return (
        f"status: {files['planned']} of {files['total']} CSVs planned; images: {images['found']} found, "
        f"{images['done']} done, {images['failed']} failed, {images['left']} left; "
        f"{shards['done']} of {shards['total']} shards; {run['labels']:,} labels, {run['calls']:,} calls{rate}; "
        f"sweep {run['sweep']['state']}"
    )


def _is_quiet(status: Mapping[str, Any]) -> bool:
    waiting = sum(sum(depth.values()) for queue, depth in status["messages"].items() if queue == "live")
    live = {state: n for state, n in status["jobs"]["live"].items() if isinstance(n, int)}
    working = sum(n for state, n in live.items() if state not in ("succeeded", "failed"))
    return not (waiting or working)
