"""``--local``: the stand-ins of this machine instead of an account."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from batch_job.errors import SetUpError
from batch_job.wiring.endpoints import Credentials, Endpoints

IMAGERY_BUCKET, ARCHIVE_BUCKET = "local-imagery", "local-archive"

_CREDENTIALS = Credentials(access_key="test", secret_key="test")  # noqa: S106  the stand-ins take any
_REGION = "us-east-1"


class Needed(Enum):
    """What a command needs of the stand-ins."""

    DETECTOR = auto()
    EVERYTHING = auto()
    EVERYTHING_RUNNING = auto()
    """A search: servers started now would be empty."""


class LocalServices:
    """The stand-ins' addresses."""

    def __init__(self, urls: dict[str, str]) -> None:
        """Take each server's URL by its name."""
        self._urls = urls

    @property
    def detector(self) -> str:
        """The detector, as settings name it."""
        return f"rekognition@{self._urls['rekognition']}"

    def over(self, endpoints: Endpoints) -> Endpoints:
        """Put the stand-ins' addresses where the real services' were."""
        return replace(
            endpoints,
            index_url=self._urls.get("opensearch"),
            archive_uri=f"s3://{ARCHIVE_BUCKET}",
            s3_endpoint=self._urls.get("emulator"),
            region=_REGION,
            credentials=_CREDENTIALS,
        )


@contextmanager
def local_services(needed: Needed, *, console: Console, keep: bool = False) -> Iterator[LocalServices]:
    """Use the stand-ins that run already, or start what is needed and stop it afterwards.

    Raises:
        SetUpError: they do not start; or, for a search, none runs.
    """
    servers = _import_servers()
    running = {one.name: one.url for one in servers.left_over(servers.STATE_FOLDER)}
    wanted = (servers.REKOGNITION,) if needed is Needed.DETECTOR else servers.ALL
    names = [recipe.name for recipe in wanted]
    if set(names) <= running.keys():
        yield LocalServices(running)
        return
    if needed is Needed.EVERYTHING_RUNNING:
        raise SetUpError("no stand-ins run here: `make demo KEEP=1`, or `run --local --keep`, leaves them up")
    say: Callable[[str], None] = lambda line: console.print(line, style="dim")  # noqa: E731
    folder: Path = servers.STATE_FOLDER
    everything = servers.StandIns(folder, say=say)
    detector = servers.Servers(wanted, folder / "detector", say=say)
    with everything if needed is Needed.EVERYTHING else detector as started:
        if keep:
            started.keep()
        yield LocalServices({recipe.name: started.url(recipe) for recipe in wanted})


def _import_servers() -> Any:
    try:
        from local import servers  # noqa: PLC0415  an extra that few commands need
    except ImportError as error:
        raise click.UsageError(f"--local needs `pip install 'imagery-backfill[local]'`: {error}") from error
    return servers
