"""``make demo``: servers up, scenes into a bucket, the pipeline over it, searches, pictures and figures, servers down.

Everything is done as a user would do it: the pipeline and the searches are the command ``imagery-backfill``.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import orjson
from rich.console import Console
from rich.rule import Rule

from batch_job.cli.memory import peak_mb
from batch_job.errors import BackfillError, SetUpError
from local.demo_report import DETECTIONS, Findings, collect, print_findings, write_files
from local.emulator import KEY, REGION
from local.scenes import DemoSize, MadeScene, demo_scenes, make
from local.servers import STATE_FOLDER, StandIns, stop_left_over

OUTPUT = Path("demo-output")
EXAMPLES = Path("examples")
SUMMARY = "summary.json"
BUCKET = "local-imagery"
IMAGES = ("*.tif", "*.jpg")

SEARCH_ROWS = 5
PLACE_DEG = 0.001
"""Half a side of the place searched in: about 110 m."""

PIPED_COLUMNS = 150

EXIT_WRONG = 1
"""Something planted was missed, or something else was found."""
EXIT_INTERRUPTED = 130


class Demo:
    """One demo, and the seconds that its parts took."""

    def __init__(self, console: Console, *, size: DemoSize) -> None:
        """Say everything to ``console``."""
        self._console, self._size = console, size
        self.seconds: dict[str, float] = {}

    def run(self, servers: StandIns) -> int:
        """Do everything that needs the servers; give the exit code."""
        remove_earlier(OUTPUT)
        with self.part("scenes"):
            made = [self._make(scene) for scene in demo_scenes(self._size)]
        with self.part("upload"):
            self._upload(servers.s3_endpoint, [one.image for one in made])
        self._rule("the pipeline over the bucket")
        with self.part("pipeline"):
            summary = self._pipeline()
        findings = collect(servers.opensearch_url, servers.s3_endpoint, bucket=BUCKET, made=made)
        self._rule("what was found")
        print_findings(findings, self._console)
        with self.part("searches"):
            west, south, east, north = findings.somewhere(PLACE_DEG)
            self._search("cars that the detector is sure of", ["Car", "--min-confidence", "97"])
            self._search("whatever is in a place", ["--within", f"{west:.4f},{south:.4f},{east:.4f},{north:.4f}"])
            self._search("large boats", ["Boat", "--min-length-m", "90"])
        with self.part("pictures"):
            write_files(findings, OUTPUT)
        self._sum_up(findings, summary)
        return 0 if findings.is_right else EXIT_WRONG

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

    def _make(self, scene: Any) -> MadeScene:
        self.say(f"making {scene.file_name}: {scene.width:,} x {scene.height:,} px, {scene.count:,} objects")
        return make(scene, OUTPUT / "scenes")

    def _upload(self, endpoint: str, scenes: Sequence[Path]) -> None:
        s3 = boto3.client(
            "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=KEY
        )
        s3.create_bucket(Bucket=BUCKET)
        for scene in scenes:
            s3.upload_file(str(scene), BUCKET, f"scenes/{scene.name}")
        for pattern in IMAGES if self._size is DemoSize.WHOLE else ():
            for image in sorted(EXAMPLES.glob(pattern)):
                s3.upload_file(str(image), BUCKET, f"real/{image.name}")
        s3.close()

    def _pipeline(self) -> dict[str, Any]:
        arguments = ["run", f"s3://{BUCKET}", "--to", "index", "--local", "--json"]
        self._console.print(f"$ imagery-backfill {shlex.join(arguments[:-1])}", markup=False)
        quiet = ["--quiet"] if self._console.quiet else []
        done = subprocess.run([*_command(), *arguments, *quiet], stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SetUpError(f"the pipeline ended with exit code {done.returncode}")
        summary: dict[str, Any] = orjson.loads(done.stdout)
        return summary

    def _search(self, title: str, arguments: Sequence[str]) -> None:
        self._rule(f"search: {title}")
        self._console.print(f"$ imagery-backfill search {shlex.join(arguments)} --local", markup=False)
        command = [*_command(), "search", *arguments, "--local", "--limit", str(SEARCH_ROWS)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        self._console.print(done.stdout.rstrip(), markup=False, soft_wrap=True)

    def _sum_up(self, findings: Findings, summary: dict[str, Any]) -> None:
        indexing = summary["seconds"].get("index", 0)
        whole = {
            **summary,
            **findings.figures(),
            "seconds_per_part": self.seconds,
            "documents_per_second": round(summary["labels"] / indexing) if indexing else None,
            "demo_peak_memory_mb": peak_mb(),
        }
        (OUTPUT / SUMMARY).write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2))
        self._rule("in figures")
        calls = summary["calls"]["answered"]
        self._console.print(
            f"{summary['images']['total']} images, {summary['chips']['total']:,} chips "
            f"({summary['chips']['blank']:,} blank), {calls:,} calls, {summary['labels']:,} labels; "
            f"of {findings.planted:,} planted objects {findings.missed} missed, {findings.extra} extra; "
            f"peak memory of the pipeline {summary['peak_memory_mb']} MB"
        )
        self._console.print(", ".join(f"{name} {seconds} s" for name, seconds in self.seconds.items()), style="dim")
        self._console.print(f"pictures, detections.geojson and summary.json are in {OUTPUT}/", markup=False)


def remove_earlier(output: Path) -> None:
    """Remove what an earlier demo left, so that what is there afterwards is of this one; what else is there stays."""
    scenes = [scene for size in DemoSize for scene in demo_scenes(size)]
    pictures = [Path(scene.file_name).with_suffix(".png") for scene in scenes]
    pictures += [Path(image.name).with_suffix(".png") for pattern in IMAGES for image in EXAMPLES.glob(pattern)]
    made = [Path("scenes", name) for scene in scenes for name in (scene.file_name, scene.truth_name)]
    for name in (*pictures, *made, Path(DETECTIONS), Path(SUMMARY)):
        (output / name).unlink(missing_ok=True)


def _command() -> tuple[str, ...]:
    return sys.executable, "-m", "batch_job.cli"


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
    with StandIns(STATE_FOLDER, say=demo.say) as servers:
        demo.seconds["servers"] = round(time.monotonic() - began, 1)
        code = demo.run(servers)
        if given.keep:
            servers.keep()
            _say_how_to_go_on(servers, console)
    verdict = "all planted objects found, nothing else" if code == 0 else "NOT what was planted: see above"
    console.print(f"demo: {verdict}; {time.monotonic() - began:.0f} s in all")
    return code


def _say_how_to_go_on(servers: StandIns, console: Console) -> None:
    console.print("\nthe servers stay up:", f"  OpenSearch {servers.opensearch_url}", sep="\n")
    console.print(f"  S3         {servers.s3_endpoint}\n  Rekognition {servers.rekognition_url}")
    console.print("  .venv/bin/imagery-backfill search Vehicle --local")
    console.print("  .venv/bin/imagery-backfill show s3://local-imagery/scenes/dateline.tif --local --out dateline.png")
    console.print(f"  curl '{servers.opensearch_url}/imagery-labels/_search?q=label:Boat&size=1&pretty'")
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
