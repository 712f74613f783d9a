"""The command ``run``: options, usage, money, what it prints and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.rekognition import serving
from tests.end_to_end.files import good
from tests.end_to_end.user import Written, imagery_backfill, served

SMALL_CHIPS = ("--chip-px", "128", "--overlap-px", "64")
SO_MANY = 24
"""Chips of one good image."""
NOBODY = "http://127.0.0.1:9"
INDEX = ("--to", "index", "--index", NOBODY, "--archive", "s3://archive/paid")


@pytest.fixture(scope="module")
def rekognition() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "a.tif"
    path.write_bytes(good())
    return path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "found.geojson"


def paid(url: str) -> dict[str, str]:
    """The environment in which the real service's calls go to the stand-in: to the command they are paid ones."""
    return {"AWS_ENDPOINT_URL_REKOGNITION": url}


@pytest.mark.parametrize("command", ["run", "search", "show"])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself_with_examples(command, flag):
    done = imagery_backfill(command, flag)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: imagery-backfill {command} [OPTIONS]")
    assert f"imagery-backfill {command} " in done.stdout.partition("Examples:")[2]
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_the_command_itself_lists_its_commands_and_its_exit_codes():
    done = imagery_backfill("-h")
    assert done.exit_code == 0
    for word in ("run", "search", "show", "Exit codes:", "65 ", "70 ", "75 ", "78 ", "130 "):
        assert word in done.stdout


def test_the_version_is_the_distributions():
    assert imagery_backfill("--version").stdout.startswith("imagery-backfill, version 0.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'SOURCE...'"),
        (("{image}",), "Missing option '--to'"),
        (("{image}", "--to", "found.txt"), "expected `index`, or a file that ends in .geojson"),
        (("{image}", "--to", "no/such/folder/x.geojson"), "there is no folder no/such/folder"),
        (("{image}", "--to", "{out}", "--redo"), "--redo goes with --to index"),
        (("no-such-file.tif", "--to", "{out}"), "no-such-file.tif: no such file or folder"),
        (("s3:///x", "--to", "{out}"), "is not s3://BUCKET or s3://BUCKET/PREFIX"),
        (("{image}", *INDEX), "--to index takes s3:// sources, not"),
        (("s3://b", "--to", "index"), "needs --index URL and --archive s3://BUCKET/PREFIX, or --local"),
        (("s3://b", "--to", "index", "--index", NOBODY), "needs --index URL and --archive"),
        (("s3://archive/in", *INDEX), "--archive must not be in the imagery bucket 'archive'"),
        (("s3://b", "--to", "index", "--index", NOBODY, "--archive", "archive"), "is not s3://BUCKET"),
        (("{image}", "--to", "{out}", "--encoding", "gif"), "'gif' is not one of"),
        (("{image}", "--to", "{out}", "--max-calls", "-1"), "-1 is not in the range x>=0"),
        (("{image}", "--to", "{out}", "--chip-px", "big"), "'big' is not a valid integer"),
        (("{image}", "--to", "{out}", "--fast"), "No such option"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage_and_nothing_is_written(image, out, arguments, words):
    filled = [str(one).format(image=image, out=out) for one in arguments]
    done = imagery_backfill("run", *filled)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert not out.exists()


def test_a_folder_without_images_is_wrong_usage_and_says_what_was_looked_for(tmp_path, out, rekognition):
    (tmp_path / "notes.txt").write_text("x")
    done = imagery_backfill("run", tmp_path, "--to", out, "--detector", f"rekognition@{rekognition}")
    assert done.exit_code == 2
    assert "no image there (looked for endings .tif, .tiff" in done.stderr


def test_every_wrong_setting_is_named_at_once(image, out):
    wrong = ("--chip-px", 10, "--min-confidence", 101, "--jpeg-quality", 0, "--calls-in-flight", 0)
    done = imagery_backfill("run", image, "--to", out, "--detector", "magic", *wrong)
    assert done.exit_code == 78
    for name in ("CHIP_PX", "MIN_CONFIDENCE", "JPEG_QUALITY", "CALLS_IN_FLIGHT", "DETECTOR"):
        assert f"BACKFILL_{name}: " in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--chip-px", 200, "--overlap-px", 200), "overlap_px (200) must be under chip_px (200)"),
        (("--before-detection", "no_such:hook"), "'no_such:hook' is not an importable module:name"),
        (("--after-merging", "os:sep"), "'os:sep' is not callable"),
    ],
)
def test_settings_that_contradict_or_cannot_be_imported_are_named(image, out, options, words):
    done = imagery_backfill("run", image, "--to", out, *options)
    assert done.exit_code == 78
    assert words in done.stderr


def test_a_run_that_would_cost_money_asks_first_and_names_calls_and_price(image, tmp_path, out, rekognition):
    (tmp_path / "b.tif").write_bytes(good())
    (tmp_path / "broken.tif").write_bytes(b"")
    before = served(rekognition)["calls"]
    done = imagery_backfill("run", tmp_path, "--to", out, *SMALL_CHIPS, env=paid(rekognition))
    assert done.exit_code == 2
    assert f"at most {2 * SO_MANY} calls to Amazon Rekognition for 3 images, about $0.05 at list price" in done.stderr
    assert "Agree with --yes, or set a ceiling with --max-calls N" in done.stderr
    assert served(rekognition)["calls"] == before
    assert not out.exists()


def test_who_agrees_pays_and_the_price_stands_in_the_file(image, out, rekognition):
    done = imagery_backfill("run", image, "--to", out, *SMALL_CHIPS, "--yes", "--json", env=paid(rekognition))
    assert (done.exit_code, done.calls) == (0, SO_MANY)
    assert Written.read(out).image("a.tif")["properties"]["cost_usd"] == SO_MANY / 1000


@pytest.mark.parametrize("ceiling", [0, 1, SO_MANY - 1, SO_MANY + 5])
def test_a_ceiling_is_kept_to_the_call(image, tmp_path, out, rekognition, ceiling):
    (tmp_path / "b.tif").write_bytes(good())
    before = served(rekognition)["calls"]
    options = (*SMALL_CHIPS, "--max-calls", ceiling, "--json")
    done = imagery_backfill("run", tmp_path, "--to", out, *options, env=paid(rekognition))
    assert done.exit_code == 75
    assert served(rekognition)["calls"] - before == done.calls == ceiling
    assert f"all {ceiling} calls allowed are spent" in done.stderr
    finished = ceiling // SO_MANY
    assert done.images == {"left": 1} | ({"indexed": finished} if finished else {})
    assert len([one for one in Written.read(out).features if one["properties"]["kind"] == "image"]) == finished


def test_a_ceiling_that_suffices_is_no_obstacle(image, out, rekognition):
    done = imagery_backfill("run", image, "--to", out, *SMALL_CHIPS, "--max-calls", SO_MANY, env=paid(rekognition))
    assert done.exit_code == 0


@pytest.mark.parametrize("detector", ["rekognition@{url}", "http@{url}"])
def test_only_the_real_service_asks_for_consent(image, out, rekognition, detector):
    done = imagery_backfill("run", image, "--to", out, "--detector", detector.format(url=rekognition), "--json")
    assert done.exit_code != 2
    assert "cost" not in done.stderr


def test_the_summary_as_json_has_a_fixed_shape(image, out, rekognition):
    done = imagery_backfill("run", image, "--to", out, "--detector", f"rekognition@{rekognition}", "--json")
    summary = json.loads(done.stdout)
    assert summary["images"] == {"total": 1, "indexed": 1}
    assert summary["errors"] == {}
    assert summary["chips"] == {"total": 1, "sent": 1, "blank": 0, "from_archive": 0, "rejected": 0}
    assert summary["calls"] == {"answered": 1, "throttled": 0}
    assert isinstance(summary["peak_memory_mb"], int)
    assert set(summary) == {"images", "errors", "chips", "calls", "labels", "seconds", "peak_memory_mb"}
    assert set(summary["seconds"]) == {"detect", "merge", "place", "hooks", "documents"}
    assert summary["labels"] == len(Written.read(out).labels("a.tif"))


def test_the_summary_for_people_goes_to_stdout_and_progress_to_stderr(image, out, rekognition):
    done = imagery_backfill("run", image, "--to", out, "--detector", f"rekognition@{rekognition}")
    assert done.stdout.splitlines()[0] == "images  1 indexed"
    assert "calls   1 answered, 0 throttled" in done.stdout
    assert "images 1/1  chips 1/1  calls 1" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_hides_progress_and_still_names_failures(image, tmp_path, out, rekognition):
    (tmp_path / "broken.tif").write_bytes(b"")
    done = imagery_backfill("run", tmp_path, "--to", out, "--detector", f"rekognition@{rekognition}", "--quiet")
    assert done.exit_code == 65
    assert (
        done.stderr
        == f"failed: file://{tmp_path}/broken.tif: unreadable: file://{tmp_path}/broken.tif: the file is empty\n"
    )


def test_options_come_before_the_environment_and_that_before_defaults(image, out, rekognition):
    env = {"BACKFILL_CHIP_PX": "128", "BACKFILL_OVERLAP_PX": "64", "BACKFILL_DETECTOR": f"rekognition@{rekognition}"}
    assert imagery_backfill("run", image, "--to", out, "--json", env=env).calls == SO_MANY
    assert imagery_backfill("run", image, "--to", out, "--json", "--chip-px", 1000, env=env).calls == 1


def test_events_are_logged_as_json_lines_when_asked_for(image, out, rekognition):
    options = ("--detector", f"rekognition@{rekognition}", "--log-level", "info", "--quiet")
    done = imagery_backfill("run", image, "--to", out, *options)
    [event] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (event["event"], event["outcome"], event["image"]) == ("image.done", "indexed", f"file://{image}")


def test_a_file_that_is_there_is_replaced_and_one_image_named_twice_is_run_once(image, out, rekognition):
    out.write_text("old")
    detector = f"rekognition@{rekognition}"
    done = imagery_backfill("run", image, image.parent, "--to", out, "--detector", detector, "--json")
    assert done.images == {"indexed": 1}
    assert len(Written.read(out).labels("a.tif")) == 1


def test_a_place_where_nothing_can_be_written_is_named_before_anything_is_paid(image, tmp_path, rekognition):
    (tmp_path / "taken.geojson.part").mkdir()
    done = imagery_backfill(
        "run", image, "--to", tmp_path / "taken.geojson", "--detector", f"rekognition@{rekognition}", "--json"
    )
    assert (done.exit_code, done.calls) == (78, 0)
    assert f"cannot write {tmp_path}/taken.geojson: Is a directory" in done.stderr
