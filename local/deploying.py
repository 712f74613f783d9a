"""Deploys our template to the emulator with the CDK's own command line, as one deploys to an account."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from batch_job.errors import SetUpError
from local.emulator import REGION, aws_environment
from local.recipes import PROJECT, clean_environment

ACCOUNT = "000000000000"
"""Of the emulator's root."""
NODE_MODULES = PROJECT / "node_modules"
LAST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdk:
    """The CDK's command line with a state folder of its own, and the settings of one deployment."""

    folder: Path
    settings: Mapping[str, str]
    """Of ``DeploySettings``, as ``-c`` takes them."""

    @property
    def assembly(self) -> Path:
        """Where the template and its assets are written."""
        return self.folder / "cdk.out"

    def begin_synthesis(self) -> "subprocess.Popen[bytes]":
        """Begin to write the template, which needs no account; ``finish`` waits for it.

        Raises:
            SetUpError: the command line is not installed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        context = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        return self._start("synth", "--quiet", "--output", str(self.assembly), *context)

    def finish(self, synthesis: "subprocess.Popen[bytes]") -> None:
        """Wait until the template is written.

        Raises:
            SetUpError: it cannot be; the message has the last lines of the reason.
        """
        self._wait("synth", synthesis)

    def bootstrap(self, endpoint: str) -> None:
        """Make what the CDK needs once in an account. Raises as ``finish``."""
        self._run("bootstrap", f"aws://{ACCOUNT}/{REGION}", endpoint=endpoint)

    def deploy(self, endpoint: str) -> Mapping[str, str]:
        """Deploy the template that was written; gives the stack's outputs. Raises as ``finish``."""
        outputs = self.folder / "outputs.json"
        self._run("deploy", "--require-approval", "never", "--outputs-file", str(outputs), endpoint=endpoint)
        [found] = orjson.loads(outputs.read_bytes()).values()
        return {str(name): str(value) for name, value in found.items()}

    def check_nothing_differs(self, endpoint: str) -> None:
        """Compare the template with what is deployed. Raises as ``finish``: when anything differs, too."""
        self._run("diff", "--fail", endpoint=endpoint)

    def destroy(self, endpoint: str) -> None:
        """Delete the stack that was deployed. Raises as ``finish``."""
        self._run("destroy", "--force", endpoint=endpoint)

    def _run(self, command: str, *more: str, endpoint: str) -> None:
        started = self._start(command, *more, "--app", str(self.assembly), **aws_environment(endpoint))
        self._wait(command, started)

    def _start(self, command: str, *more: str, **aws: str) -> "subprocess.Popen[bytes]":
        program = NODE_MODULES / ".bin" / "cdk"
        if not program.exists():
            raise SetUpError(f"{program} is missing: `npm ci` makes it")
        environment = clean_environment(
            CDK_HOME=str(self.folder / "home"),
            CDK_DISABLE_CLI_TELEMETRY="1",
            CDK_DOCKER="/nonexistent",  # the emulator has every image already
            JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="20",
            **aws,
        )
        environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", os.defpath)))
        with self._output(command).open("wb") as output:
            return subprocess.Popen(
                (str(program), command, *more),
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _wait(self, command: str, started: "subprocess.Popen[bytes]") -> None:
        if started.wait() == 0:
            return
        log = self._output(command)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        said = f"cdk {command} ended with {started.returncode}; the last lines of {log}:"
        raise SetUpError("\n".join([said, *lines]))

    def _output(self, command: str) -> Path:
        return self.folder / f"{command}.log"
