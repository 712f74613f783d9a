"""Gives each peer an environment of its own under ``.bench``, since their packages conflict with ours.

What is pinned there was resolved, without naming a registry, by ``echo sahi==0.12.8 | uv pip compile --universal
--python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url - -o
benchmarks/requirements-sahi.lock``.
"""

import hashlib
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".bench")
COMPLETE = ".complete"
"""Written last, with the digest of the pins: an environment without it, or of other pins, is made anew."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a peer lives."""

    name: str
    pins: Path
    """Hashed requirements."""
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_complete(self) -> bool:
        """Tell whether it holds what is pinned."""
        mark = self.folder / COMPLETE
        return mark.exists() and mark.read_text() == self._digest()

    def make(self) -> None:
        """Make it, over what was there.

        Raises:
            CalledProcessError: pip could not install what is pinned.
        """
        venv.create(self.folder, clear=True, with_pip=True)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(self.pins)], check=True)
        (self.folder / COMPLETE).write_text(self._digest())

    def _digest(self) -> str:
        return hashlib.sha256(self.pins.read_bytes()).hexdigest()


SAHI = Environment("SAHI 0.12.8", Path(__file__).with_name("requirements-sahi.lock"), FOLDER / "sahi")

ENVIRONMENTS = (SAHI,)


def main() -> int:
    """Make what is missing."""
    for environment in ENVIRONMENTS:
        if environment.is_complete:
            print(f"{environment.name}: already in {environment.folder}")
            continue
        print(f"{environment.name}: installing into {environment.folder}, 400 MB, about a minute", flush=True)
        try:
            environment.make()
        except subprocess.CalledProcessError as error:
            print(f"{environment.name}: pip failed (exit code {error.returncode}); see above", file=sys.stderr)
            return 1
        print(f"{environment.name}: done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
