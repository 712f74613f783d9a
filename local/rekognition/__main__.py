"""``python -m local.rekognition``: the stand-in as a process of its own, until SIGINT or SIGTERM."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from local.rekognition import Behaviour, RekognitionSettings, serving


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; gives the exit code."""
    given = _parser().parse_args(arguments)
    behaviour = {name: getattr(given, name) for name in Behaviour.model_fields if getattr(given, name) is not None}
    try:
        settings = RekognitionSettings(
            port=given.port, s3_endpoint_url=given.s3_endpoint_url, behaviour=Behaviour(**behaviour)
        )
    except ValidationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serving(settings) as url:
        if given.ports_file:
            _write_whole(given.ports_file, url.removeprefix("http://") + "\n")
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.rekognition", description=__doc__)
    fields = {**RekognitionSettings.model_fields, **Behaviour.model_fields}
    parser.add_argument("--port", type=int, default=0, help=fields["port"].description)
    parser.add_argument("--ports-file", type=Path, help="Written once it listens: 127.0.0.1:PORT.")
    parser.add_argument("--s3-endpoint-url", help=fields["s3_endpoint_url"].description)
    for option, name, kind in (
        ("--quota", "quota_per_s", float),
        ("--burst", "burst", int),
        ("--latency-ms", "latency_ms", float),
        ("--throttle-share", "throttle_share", float),
        ("--error-share", "error_share", float),
        ("--seed", "seed", int),
    ):
        parser.add_argument(option, dest=name, type=kind, help=fields[name].description)
    return parser


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees all of it or nothing."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
