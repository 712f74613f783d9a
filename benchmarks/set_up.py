"""Gives each peer an environment of its own under ``.bench``, since their packages conflict with ours.

What is pinned there was resolved, without naming a registry, by ``echo sahi==0.12.8 | uv pip compile --universal
--python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url - -o
benchmarks/requirements-sahi.lock``; of OSML the two packages that its environment is named for, and pillow, with which
chips are compared; and likewise imagecodecs==2026.3.6.
"""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(".bench")
COMPLETE = ".complete"
"""Written last, with the digest of the pins: an environment without it, or of other pins, is made anew."""


@dataclass(frozen=True, slots=True)
class SystemModule:
    """A module that no registry has built: it comes with the system's Python, of which the environment is then made."""

    name: str
    package: str
    """What the system calls it."""
    python: Path = Path("/usr/bin/python3")

    @property
    def is_there(self) -> bool:
        """Tell whether the system's Python has it."""
        asked = [str(self.python), "-c", f"import {self.name}"]
        return self.python.exists() and not subprocess.run(asked, capture_output=True, check=False).returncode


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a peer lives."""

    name: str
    pins: Path
    """Hashed requirements."""
    folder: Path
    size_mb: int = 400
    wants: SystemModule | None = None
    """What it needs of the system; where that lacks it, the peer is left out."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its programs want to be told before they can be imported."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_complete(self) -> bool:
        """Tell whether it holds what is pinned."""
        mark = self.folder / COMPLETE
        return mark.exists() and mark.read_text() == self._digest()

    @property
    def missing(self) -> str:
        """Say why the peer cannot run; nothing where it can."""
        if self.is_complete:
            return ""
        first = f"{self.lacks} first, then " if self.lacks else ""
        return f"not installed: {first}make bench-setup"

    @property
    def lacks(self) -> str:
        """Say how to get what the system lacks; nothing where it has it."""
        if self.wants is None or self.wants.is_there:
            return ""
        return f"apt-get install {self.wants.package}"

    def make(self) -> None:
        """Make it, over what was there.

        Raises:
            CalledProcessError: pip could not install what is pinned.
        """
        python = [str(self.wants.python)] if self.wants else [sys.executable]
        options = ["--clear", "--without-pip", *(["--system-site-packages"] if self.wants else [])]
        subprocess.run([*python, "-m", "venv", *options, str(self.folder)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        hashed = ["--disable-pip-version-check", "--require-hashes", "--requirement", str(self.pins)]
        subprocess.run([*pip, *hashed], check=True)
        (self.folder / COMPLETE).write_text(self._digest())

    def _digest(self) -> str:
        return hashlib.sha256(self.pins.read_bytes()).hexdigest()


SAHI = Environment("SAHI 0.12.8", Path(__file__).with_name("requirements-sahi.lock"), FOLDER / "sahi")

OSML = Environment(
    "OSML: osml-model-runner 2.3.0, osml-imagery-toolkit 1.5.0",
    Path(__file__).with_name("requirements-osml.lock"),
    FOLDER / "osml",
    size_mb=810,
    wants=SystemModule("osgeo", package="python3-gdal"),
    # its app_config reads these when it is imported; nothing is called, so the values are of no account
    variables={"AWS_DEFAULT_REGION": "us-east-1", "WORKERS": "1", "WORKERS_PER_CPU": "1"}
    | dict.fromkeys(("JOB_TABLE", "REGION_REQUEST_TABLE", "ENDPOINT_TABLE", "FEATURE_TABLE"), "none")
    | dict.fromkeys(("IMAGE_QUEUE", "REGION_QUEUE"), "none"),
)

IMAGECODECS = Environment(
    "imagecodecs 2026.3.6",
    Path(__file__).with_name("requirements-imagecodecs.lock"),
    FOLDER / "imagecodecs",
    size_mb=160,
)

ENVIRONMENTS = (SAHI, OSML, IMAGECODECS)


def main() -> int:
    """Make what is missing and can be made."""
    failed = 0
    for environment in ENVIRONMENTS:
        if environment.is_complete:
            print(f"{environment.name}: already in {environment.folder}")
            continue
        if environment.lacks:
            print(f"{environment.name}: left out. {environment.lacks}, then make bench-setup again, gives it")
            continue
        print(
            f"{environment.name}: installing into {environment.folder}, {environment.size_mb} MB, about a minute",
            flush=True,
        )
        try:
            environment.make()
        except subprocess.CalledProcessError as error:
            print(f"{environment.name}: pip failed (exit code {error.returncode}); see above", file=sys.stderr)
            failed = 1
            continue
        print(f"{environment.name}: done")
    return failed


if __name__ == "__main__":
    sys.exit(main())
