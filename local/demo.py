"""``make demo``: images in a bucket, a stack deployed beside it, a night, a day, searches, pictures and figures.

Everything is done as a user would do it: the CDK's command line deploys the template that goes to an account too, and
what is watched and searched is watched and searched by the command ``imagery-backfill``.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.rule import Rule

from batch_job.errors import BackfillError
from local.demo_files import EXAMPLES, IMAGES, LATER, OUTPUT, SCENES, SUMMARY, remove_earlier
from local.demo_report import Findings, collect, print_findings, write_files
from local.demo_stack import BUCKET, CDK, STACK, DemoStack, key_of
from local.emulator import aws_environment
from local.scenes import DemoSize, MadeScene, Scene, demo_changes, demo_scenes, make
from local.servers import STATE_FOLDER, StandIns, stop_left_over

VARIABLES = STATE_FOLDER / "aws.sh"

SEARCH_ROWS = "5"
PLACE_DEG = 0.001
"""Half a side of the place searched in: about 110 m."""

PIPED_COLUMNS = 150

EXIT_WRONG = 1
"""Something planted was missed, or something else was found."""
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Night:
    """What the backfill came to."""

    status: Mapping[str, Any]
    findings: Findings


class Demo:
    """One demo, and the seconds that its parts took."""

    def __init__(self, console: Console, *, size: DemoSize) -> None:
        """Say everything to ``console``."""
        self._console, self._size = console, size
        self.seconds: dict[str, float] = {}

    def run(self, servers: StandIns, synthesis: "subprocess.Popen[bytes]") -> int:
        """Do everything that needs the servers; give the exit code."""
        remove_earlier(OUTPUT)
        stack = DemoStack(servers, self._console)
        with self.part("scenes"):
            made = [self._make(scene, SCENES) for scene in demo_scenes(self._size)]
        with self.part("upload"):
            self._upload(stack, made)
        self._rule("cdk deploy, next to the bucket")
        self._deploy(servers, synthesis)
        self._rule("the night: an inventory, a plan, an array job")
        night = self._night(stack, made)
        self._rule("the day: one image overwritten, one deleted, one added")
        findings = self._day(stack, made)
        self._rule("what was found")
        print_findings(findings, self._console)
        with self.part("searches"):
            self._search_all(stack, findings)
        with self.part("pictures"):
            write_files(findings, OUTPUT)
        self._sum_up(night, findings)
        return 0 if night.findings.is_right and findings.is_right else EXIT_WRONG

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Take the time of a part."""
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)

    def say(self, line: str) -> None:
        """Say something by the way."""
        self._console.print(line, style="dim", markup=False)

    def _rule(self, title: str) -> None:
        self._console.print()
        self._console.print(Rule(title, align="left"))

    def _make(self, scene: Scene, folder: Path) -> MadeScene:
        self.say(f"making {scene.file_name}: {scene.width:,} x {scene.height:,} px, {scene.count:,} objects")
        return make(scene, folder)

    def _upload(self, stack: DemoStack, made: Sequence[MadeScene]) -> None:
        stack.make_bucket()
        for one in made:
            stack.upload(one.image, key_of(one))
        for pattern in IMAGES if self._size is DemoSize.WHOLE else ():
            for image in sorted(EXAMPLES.glob(pattern)):
                stack.upload(image, f"real/{image.name}")

    def _deploy(self, servers: StandIns, synthesis: "subprocess.Popen[bytes]") -> None:
        with self.part("synth, waited for"):
            CDK.finish(synthesis)
        self._console.print("$ cdk bootstrap")
        with self.part("bootstrap"):
            CDK.bootstrap(servers.aws_endpoint)
        self._console.print(f"$ cdk deploy -c bucket={BUCKET}")
        with self.part("deploy"):
            outputs = CDK.deploy(servers.aws_endpoint)
        for name in ("DashboardsUrl", "WatchCommand", "SearchCommand"):
            self.say(f"{name}: {outputs[name]}")

    def _night(self, stack: DemoStack, made: Sequence[MadeScene]) -> _Night:
        with self.part("backfill"):
            files = stack.deliver_inventory()
            self.say(f"S3 delivers an inventory: manifest.json, {files} CSV.gz, manifest.checksum")
            status = stack.run_finished()
        findings = self._collect(stack, made)
        self._tell(findings, "after the night")
        return _Night(status, findings)

    def _day(self, stack: DemoStack, made: Sequence[MadeScene]) -> Findings:
        changes = demo_changes(self._size)
        overwritten, added = self._make(changes.overwritten, LATER), self._make(changes.added, LATER)
        gone = next(one for one in made if one.scene == changes.deleted)
        with self.part("live"):
            stack.upload(overwritten.image, key_of(overwritten))
            stack.delete(key_of(gone))
            stack.upload(added.image, key_of(added))
            stack.settled()
        names = {overwritten.scene.name, gone.scene.name}
        now = [one for one in made if one.scene.name not in names] + [overwritten, added]
        findings = self._collect(stack, now)
        self._tell(findings, "after the day")
        return findings

    def _collect(self, stack: DemoStack, made: Sequence[MadeScene]) -> Findings:
        stack.refresh()
        return collect(stack.servers.opensearch_url, stack.servers.aws_endpoint, bucket=BUCKET, made=made)

    def _tell(self, findings: Findings, when: str) -> None:
        self.say(f"{when}: {findings.planted:,} planted objects, {findings.missed} missed, {findings.extra} extra")

    def _search_all(self, stack: DemoStack, findings: Findings) -> None:
        west, south, east, north = findings.somewhere(PLACE_DEG)
        place = f"{west:.4f},{south:.4f},{east:.4f},{north:.4f}"
        self._search(stack, "cars that the detector is sure of", "Car", "--min-confidence", "97")
        self._search(stack, "whatever is in a place", "--within", place)
        self._search(stack, "large boats", "Boat", "--min-length-m", "90")

    def _search(self, stack: DemoStack, title: str, *arguments: str) -> None:
        self._rule(f"search: {title}")
        found = stack.say_and_run("search", *arguments, "--limit", SEARCH_ROWS)
        self._console.print(found.rstrip(), markup=False, soft_wrap=True)

    def _sum_up(self, night: _Night, findings: Findings) -> None:
        run = night.status["run"]
        backfill = self.seconds["backfill"]
        whole = {
            "run": run,
            **findings.figures(),
            "images_per_second": round(run["images"]["done"] / backfill, 2),
            "seconds_per_part": self.seconds,
        }
        (OUTPUT / SUMMARY).write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2))
        self._rule("in figures")
        self._console.print(
            f"{run['images']['done']} images in {run['shards']['total']} shards, {run['calls']:,} calls, "
            f"{run['labels']:,} labels in the night, in {backfill} s; "
            f"in the end of {findings.planted:,} planted objects {findings.missed} missed, {findings.extra} extra"
        )
        self._console.print(", ".join(f"{name} {seconds} s" for name, seconds in self.seconds.items()), style="dim")
        self._console.print(f"pictures, detections.geojson and summary.json are in {OUTPUT}/", markup=False)


def main() -> int:
    """Run the demo, or stop what an earlier one left up."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the servers up")
    parser.add_argument("--short", action="store_true", help="two small scenes")
    parser.add_argument("--quiet", action="store_true", help="print the result alone")
    parser.add_argument("--stop", action="store_true", help="stop what --keep left up, and end")
    given = parser.parse_args()
    console = _console()
    try:
        return _stop(console) if given.stop else _demo(given, console)
    except BackfillError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; everything that was started is stopped")
        return EXIT_INTERRUPTED


def _console(*, quiet: bool = False) -> Console:
    console = Console(highlight=False, quiet=quiet, soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    return console


def _demo(given: argparse.Namespace, console: Console) -> int:
    demo = Demo(_console(quiet=given.quiet), size=DemoSize.SHORT if given.short else DemoSize.WHOLE)
    began = time.monotonic()
    synthesis = CDK.begin_synthesis()  # needs no server, and they take their time
    with StandIns(STATE_FOLDER, say=demo.say) as servers:
        demo.seconds["servers"] = round(time.monotonic() - began, 1)
        code = demo.run(servers, synthesis)
        if given.keep:
            servers.keep()
            _say_how_to_go_on(servers, console)
    verdict = "all planted objects found, nothing else" if code == 0 else "NOT what was planted: see above"
    console.print(f"demo: {verdict}; {time.monotonic() - began:.0f} s in all")
    return code


def _say_how_to_go_on(servers: StandIns, console: Console) -> None:
    variables = aws_environment(servers.aws_endpoint) | {"INDEX": servers.opensearch_url}
    VARIABLES.write_text("".join(f"export {name}={value}\n" for name, value in variables.items()), encoding="utf-8")
    command = f".venv/bin/imagery-backfill --stack {STACK}"
    console.print("\nthe servers and the stack stay up:", f"  . {VARIABLES}", sep="\n", markup=False)
    for rest in ("status --index $INDEX", "search Vehicle --index $INDEX", "start --prefix scenes/"):
        console.print(f"  {command} {rest}", markup=False)
    console.print('  curl "$INDEX/imagery-labels/_search?q=label:Boat&size=1&pretty"', markup=False)
    console.print("`make demo-stop` stops them\n", markup=False)


def _stop(console: Console) -> int:
    stopped = stop_left_over(STATE_FOLDER)
    for running in stopped:
        console.print(f"stopped {running.title} (pid {running.pid})", markup=False)
    if not stopped:
        console.print("nothing to stop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
