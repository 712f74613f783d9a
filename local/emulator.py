"""AWS on this machine: ministack in a process of its own, with what it lacks added by ``local.emulation``.

``python -m local.emulator STATE_DIR PORT [NAME=VALUE ...]`` runs it in the foreground; it, its Lambdas and its
jobs see the variables that are given in this way.
"""

import os
import socket
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

from batch_job.errors import SetUpError
from local.recipes import PROJECT, Command, Recipe, Say, clean_environment

PINNED = "1.5.33"
"""It moves fast, and our hooks call its private functions: raise the pin on purpose, with the tests."""

REGION = "us-east-1"
KEY = "test"
"""As key id and as secret; ministack takes it for the root of account 000000000000."""

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})

PROJECT_VARIABLE = "EMULATOR_PROJECT"
"""Where jobs and image Lambdas find their code, and perhaps a Dockerfile; our own project if it is not given."""
PROCESSES_VARIABLE = "EMULATOR_MAX_PROCESSES"
"""How many jobs run at once, whatever the compute environments allow; the machine's cores if it is not given."""

CAUSES = {
    "already in use": "the port was taken by another process in the meantime",
    "No module named": "a package is missing: pip install 'imagery-backfill[local]'",
    "No space left on device": "the disk is full",
}


def aws_environment(endpoint: str) -> dict[str, str]:
    """Give the variables that point an AWS client at the emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # boto3 reads this one, Lambda and Batch set the other
    }


def environment(folder: Path, port: int, variables: Mapping[str, str] = NO_VARIABLES) -> dict[str, str]:
    """Give the whole environment of the emulator's process; its workers inherit it."""
    temporary, state = folder / "tmp", folder / "state"
    settings = clean_environment(
        **aws_environment(f"http://127.0.0.1:{port}"),
        GATEWAY_PORT=str(port),
        EDGE_PORT=str(port),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="127.0.0.1",
        LAMBDA_EXECUTOR="local",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        TMPDIR=str(temporary),
        STATE_DIR=str(state),
        S3_DATA_DIR=str(state / "s3"),
    )
    project = variables.get(PROJECT_VARIABLE, str(PROJECT))
    paths = {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys((project, str(PROJECT)))),
        "PATH": os.pathsep.join(
            (str(Path(sys.executable).parent), settings.get("PATH", os.defpath))
        ),  # our python first
    }
    return settings | paths | dict(variables)


def check_version() -> None:
    """Make sure that the emulator is the one we know.

    Raises:
        SetUpError: it is missing, or another version.
    """
    try:
        found = version("ministack")
    except PackageNotFoundError as error:
        raise SetUpError("the package ministack is missing: pip install 'imagery-backfill[local]'") from error
    if found != PINNED:
        raise SetUpError(f"ministack {found} is installed, {PINNED} is needed: pip install ministack=={PINNED}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(folder: Path, _say: Say, variables: Mapping[str, str] = NO_VARIABLES) -> Command:
    """Choose a free port and tell how to start the emulator on it; who starts it tries again if it was taken since."""
    check_version()
    port = _free_port()
    ports_file = folder / "port"
    ports_file.write_text(f"127.0.0.1:{port}\n", encoding="utf-8")
    given = (f"{name}={value}" for name, value in variables.items())
    return Command(
        argv=(sys.executable, "-m", "local.emulator", str(folder), str(port), *given),
        env=environment(folder, port, variables),
        cwd=folder,
        ports_file=ports_file,
    )


def emulator(variables: Mapping[str, str] = NO_VARIABLES) -> Recipe:
    """Tell how to start an emulator that sees these variables too, as do its Lambdas and its jobs."""
    return Recipe(
        name="emulator",
        title=f"AWS emulator (ministack {PINNED})",
        prepare=partial(prepare, variables=variables),
        health_path="/_ministack/health",
        within_s=90.0,  # 2 s on an idle machine
        causes=CAUSES,
    )


EMULATOR = emulator()


def main(arguments: list[str]) -> None:
    """Run the emulator until it is told to stop."""
    folder, port = Path(arguments[0]).resolve(), int(arguments[1])
    variables = dict(given.partition("=")[::2] for given in arguments[2:])
    check_version()
    settings = environment(folder, port, variables)
    for name in ("TMPDIR", "S3_DATA_DIR"):
        Path(settings[name]).mkdir(parents=True, exist_ok=True)
    os.environ.clear()
    os.environ.update(settings)
    sys.argv[1:] = []  # ministack reads arguments too
    from ministack.app import main as serve  # noqa: PLC0415  it reads the environment when imported

    from local.emulation.hooks import install  # noqa: PLC0415

    install(
        folder,
        project=Path(settings.get(PROJECT_VARIABLE, PROJECT)),
        max_processes=int(settings.get(PROCESSES_VARIABLE, os.cpu_count() or 1)),
    )
    serve()


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all("=" in given for given in sys.argv[3:]):
        sys.exit("usage: python -m local.emulator STATE_DIR PORT [NAME=VALUE ...]")
    main(sys.argv[1:])
