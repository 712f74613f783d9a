"""AWS on this machine: ministack in a process of its own, for now as the S3 endpoint.

``python -m local.emulator STATE_DIR PORT`` runs it in the foreground.
"""

import os
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from batch_job.errors import SetUpError
from local.recipes import Command, Recipe, Say, clean_environment

PINNED = "1.5.33"
"""It moves fast, and later hooks call its private functions: raise the pin on purpose, with the tests."""

REGION = "us-east-1"
KEY = "test"
"""As key id and as secret; ministack takes it for the root of account 000000000000."""

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


def environment(folder: Path, port: int) -> dict[str, str]:
    """Give the whole environment of the emulator's process; its workers inherit it."""
    temporary, state = folder / "tmp", folder / "state"
    return clean_environment(
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


def prepare(folder: Path, _say: Say) -> Command:
    """Choose a free port and tell how to start the emulator on it; who starts it tries again if it was taken since."""
    check_version()
    port = _free_port()
    ports_file = folder / "port"
    ports_file.write_text(f"127.0.0.1:{port}\n", encoding="utf-8")
    return Command(
        argv=(sys.executable, "-m", "local.emulator", str(folder), str(port)),
        env=environment(folder, port),
        cwd=folder,
        ports_file=ports_file,
    )


def main(arguments: list[str]) -> None:
    """Run the emulator until it is told to stop."""
    folder, port = Path(arguments[0]).resolve(), int(arguments[1])
    check_version()
    given = environment(folder, port)
    for name in ("TMPDIR", "S3_DATA_DIR"):
        Path(given[name]).mkdir(parents=True, exist_ok=True)
    os.environ.clear()
    os.environ.update(given)
    sys.argv[1:] = []  # ministack reads arguments too
    from ministack.app import main as serve  # noqa: PLC0415  it reads the environment when imported

    serve()


EMULATOR = Recipe(
    name="emulator",
    title=f"S3 endpoint (ministack {PINNED})",
    prepare=prepare,
    health_path="/_ministack/health",
    within_s=90.0,  # 0.5 s on an idle machine
    causes=CAUSES,
)

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m local.emulator STATE_DIR PORT")
    main(sys.argv[1:])
