"""The command ``run``: options, usage, money, what it prints and how it ends."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_job.cli import run as command
from batch_job.cli.memory import peak_mb
from batch_job.cli.stand_ins import LocalServices
from batch_job.process import Pipeline
from local.rekognition import serving
from tests.end_to_end.files import good, picture, tiff
from tests.end_to_end.user import Written, imagery_backfill, served

SMALL_CHIPS = ("--chip-px", "128", "--overlap-px", "64")
SO_MANY = 24 + 1
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


def test_every_wrong_setting_is_named_at_once_by_its_option(image, out):
    wrong = ("--chip-px", 10, "--min-confidence", 101, "--jpeg-quality", 0, "--calls-in-flight", 0)
    env = {"BACKFILL_LEASE_S": "1"}
    done = imagery_backfill("run", image, "--to", out, "--detector", "magic", *wrong, env=env)
    assert done.exit_code == 2
    for name in ("--chip-px", "--min-confidence", "--jpeg-quality", "--calls-in-flight", "--detector"):
        assert f"  {name}: " in done.stderr
    assert "  BACKFILL_LEASE_S: " in done.stderr
    assert not out.exists()


def test_a_wrong_setting_of_the_environment_is_a_matter_of_the_deployment(image, out):
    env = {"BACKFILL_CHIP_PX": "10", "BACKFILL_DETECTOR": "magic"}
    done = imagery_backfill("run", image, "--to", out, env=env)
    assert done.exit_code == 78
    assert "BACKFILL_CHIP_PX: " in done.stderr
    assert "BACKFILL_DETECTOR: " in done.stderr


def test_nothing_is_started_for_settings_that_cannot_be(image, out, monkeypatch):
    def never(*_given, **_named):
        raise AssertionError("a server was started")

    monkeypatch.setattr(command, "local_services", never)
    assert imagery_backfill("run", image, "--to", out, "--local", "--chip-px", 10).exit_code == 2


@pytest.mark.parametrize(
    "option", [("--detector", "rekognition"), ("--index", NOBODY), ("--archive", "s3://b/x"), ("--s3-endpoint", NOBODY)]
)
def test_stand_ins_and_a_real_service_exclude_each_other_and_both_options_are_named(image, option):
    done = imagery_backfill("run", image, "--to", "index", "--local", *option)
    assert done.exit_code == 2
    assert "--local" in done.stderr
    assert option[0] in done.stderr


@pytest.mark.parametrize(
    "words", [("search", "Car"), ("show", "s3://b/a.tif", "--out", "a.png")], ids=lambda one: one[0]
)
def test_who_looks_into_the_stand_ins_looks_into_no_other_index(words):
    done = imagery_backfill(*words, "--local", "--index", NOBODY)
    assert done.exit_code == 2
    assert "--local and --index exclude each other" in done.stderr


def test_addresses_of_the_environment_give_way_to_the_stand_ins(image, out, rekognition, monkeypatch):
    asked = []

    @contextmanager
    def fake(needed, **_named):
        asked.append(needed)
        yield LocalServices({"rekognition": rekognition})

    monkeypatch.setattr(command, "local_services", fake)
    env = {"BACKFILL_INDEX_URL": NOBODY, "BACKFILL_DETECTOR": "rekognition"}
    assert imagery_backfill("run", image, "--to", out, "--local", env=env).exit_code == 0
    assert len(asked) == 1


@pytest.mark.parametrize("to", [("{out}", "--local"), ("index", "--index", NOBODY, "--archive", "s3://a/b")])
def test_only_servers_that_can_be_searched_are_left_up(image, out, to):
    source = "s3://b/x" if to[0] == "index" else image
    done = imagery_backfill("run", source, "--to", *(one.format(out=out) for one in to), "--keep")
    assert done.exit_code == 2
    assert "--keep goes with --to index --local" in done.stderr


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
    assert done.exit_code == 2
    assert words in done.stderr
    assert f"{options[0]}" in done.stderr


def test_a_run_that_would_cost_money_asks_first_and_names_calls_and_price(image, tmp_path, out, rekognition):
    (tmp_path / "b.tif").write_bytes(good())
    (tmp_path / "broken.tif").write_bytes(b"")
    before = served(rekognition)["calls"]
    done = imagery_backfill("run", tmp_path, "--to", out, *SMALL_CHIPS, env=paid(rekognition))
    assert done.exit_code == 2
    assert f"at most {2 * SO_MANY} calls to Amazon Rekognition for 3 images, about $0.050 at list price" in done.stderr
    assert "counting the calls: 0 of 3 images opened" in done.stderr
    assert "Agree with --yes, or set a ceiling with --max-calls N" in done.stderr
    assert served(rekognition)["calls"] == before
    assert not out.exists()


def test_who_agrees_pays_and_the_price_stands_in_the_file(image, out, rekognition):
    done = imagery_backfill("run", image, "--to", out, *SMALL_CHIPS, "--yes", "--json", env=paid(rekognition))
    assert (done.exit_code, done.calls) == (0, SO_MANY)
    assert Written.read(out).image("a.tif")["properties"]["cost_usd"] == SO_MANY / 1000


def test_calls_that_blank_chips_and_the_archive_saved_are_priced_at_the_end(tmp_path, out, rekognition):
    pixels = picture()
    pixels[:, :, 200:] = 0
    half = tmp_path / "half.tif"
    half.write_bytes(tiff(pixels))
    arguments = ("run", half, "--to", out, *SMALL_CHIPS, "--max-calls")
    first = imagery_backfill(*arguments, 5, "--json", env=paid(rekognition)).summary
    assert (first["calls"]["answered"], first["usd"]["calls"]) == (5, 0.005)
    second = imagery_backfill(*arguments, SO_MANY, env=paid(rekognition)).stdout
    [chips, cost] = [line for line in second.splitlines() if line.startswith(("chips", "cost"))]
    assert chips == "chips   25: 8 blank, 5 from the archive"
    assert cost == (
        "cost    about $0.012 at list price; not spent: $0.008 on blank chips, $0.005 on answers from the archive"
    )


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
    assert Written.read(out).by_status() == Counter(indexed=finished, left=2 - finished)


def test_answers_under_a_ceiling_are_kept_beside_the_file_until_it_is_whole(image, tmp_path, out, rekognition):
    (tmp_path / "b.tif").write_bytes(good())
    kept = tmp_path / "found.geojson.answers"

    def run(*options: object):
        return imagery_backfill("run", tmp_path, "--to", out, *SMALL_CHIPS, *options, "--json", env=paid(rekognition))

    first = run("--max-calls", SO_MANY + 10)
    assert (first.exit_code, first.calls) == (75, SO_MANY + 10)
    assert f"answers paid for are kept in {kept}; run the same command again" in first.stderr
    second = run("--max-calls", 4)
    assert (second.exit_code, second.calls) == (75, 4)
    third = run("--max-calls", SO_MANY)
    assert (third.exit_code, third.calls, third.images) == (0, SO_MANY - 14, {"indexed": 2})
    assert third.summary["chips"]["from_archive"] == SO_MANY + 14
    assert "kept" not in third.stderr
    assert not kept.exists()
    ids = [one["id"] for one in Written.read(out).features]
    assert run("--yes").calls == 2 * SO_MANY
    assert [one["id"] for one in Written.read(out).features] == ids


def test_answers_for_an_image_that_failed_all_the_same_need_not_be_bought_again(image, out, rekognition):
    arguments = ("run", image, "--to", out, *SMALL_CHIPS, "--yes", "--json")
    spoilt = imagery_backfill(*arguments, "--after-merging", "tests.end_to_end.hooks:raises", env=paid(rekognition))
    assert (spoilt.exit_code, spoilt.calls) == (65, SO_MANY)
    assert "answers paid for are kept in" in spoilt.stderr
    mended = imagery_backfill(*arguments, env=paid(rekognition))
    assert (mended.exit_code, mended.calls) == (0, 0)
    assert not out.with_name(out.name + ".answers").exists()


def test_a_failure_before_any_call_leaves_no_folder(image, tmp_path, out, rekognition):
    (tmp_path / "broken.tif").write_bytes(b"")
    assert imagery_backfill("run", tmp_path, "--to", out, "--yes", env=paid(rekognition)).exit_code == 65
    out.unlink()
    env = {**paid(rekognition), "AWS_ACCESS_KEY_ID": "AKIADENIED"}
    assert imagery_backfill("run", image, "--to", out, "--yes", env=env).exit_code == 78
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "broken.tif", "found.geojson"]


def test_an_image_that_is_left_while_the_run_goes_on_stands_in_the_file(image, tmp_path, out, rekognition, monkeypatch):
    (tmp_path / "b.tif").write_bytes(good())
    process = Pipeline.process

    def flawed(pipeline, work, keeper):
        processed = process(pipeline, work, keeper)
        if work.image.key.endswith("a.tif"):
            raise ZeroDivisionError("oops")
        return processed

    monkeypatch.setattr(Pipeline, "process", flawed)
    done = imagery_backfill("run", tmp_path, "--to", out, "--yes", "--json", env=paid(rekognition))
    assert (done.exit_code, done.images) == (70, {"indexed": 1, "left": 1})
    properties = Written.read(out).image("a.tif")["properties"]
    assert (properties["status"], properties["reason"]) == (
        "left",
        "a defect of ours, please report it: ZeroDivisionError('oops')",
    )
    assert "answers paid for are kept in" in done.stderr


def test_what_was_left_or_not_reached_stands_in_the_file_with_its_reason(image, tmp_path, out, rekognition):
    for name in ("b.tif", "c.tif"):
        (tmp_path / name).write_bytes(good())
    options = (*SMALL_CHIPS, "--max-calls", SO_MANY + 1)
    imagery_backfill("run", tmp_path, "--to", out, *options, env=paid(rekognition))
    written = Written.read(out)
    spent = f"all {SO_MANY + 1} calls allowed are spent; file://{tmp_path}/b.tif has more chips"
    statuses = [written.image(name)["properties"] for name in ("a.tif", "b.tif", "c.tif")]
    assert [(one["status"], one.get("reason")) for one in statuses] == [
        ("indexed", None),
        ("left", spent),
        ("left", f"not reached: {spent}"),
    ]


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
    assert summary["chips"] == {"total": 1, "sent": 1, "blank": 0, "from_archive": 0, "rejected": 0, "skipped": 0}
    assert summary["calls"] == {"answered": 1, "throttled": 0}
    assert isinstance(summary["peak_memory_mb"], int)
    assert summary["usd"] is None
    counted = {"images", "errors", "chips", "not_limited", "calls", "labels", "seconds"}
    assert set(summary) == {*counted, "usd", "peak_memory_mb"}
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


@pytest.mark.parametrize("how", [{"--log-level": "info"}, {"BACKFILL_LOG_LEVEL": "info"}], ids=str)
def test_an_image_and_a_run_are_a_line_of_log_each_when_asked_for(image, out, rekognition, how):
    env = {name: value for name, value in how.items() if name.startswith("BACKFILL")}
    options = [part for name, value in how.items() if name.startswith("--") for part in (name, value)]
    arguments = ("--detector", f"rekognition@{rekognition}", "--quiet", *options)
    done = imagery_backfill("run", image, "--to", out, *arguments, env=env)
    one, run = [json.loads(line) for line in done.stderr.splitlines()]
    assert (one["event"], one["outcome"], one["image"]) == ("image.done", "indexed", f"file://{image}")
    assert (run["event"], run["images"], run["labels"]) == ("run.done", {"total": 1, "indexed": 1}, one["labels"])
    assert one["run_id"] == run["run_id"] == Written.read(out).image("a.tif")["properties"]["run_id"]


def test_a_run_that_breaks_off_has_its_line_too(image, out, rekognition):
    options = ("--detector", f"rekognition@{rekognition}", "--quiet", "--log-level", "info")
    done = imagery_backfill("run", image, "--to", out, *options, env={"AWS_ACCESS_KEY_ID": "AKIADENIED"})
    left, run = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert (left["event"], left["outcome"], left["error"]) == ("image.left", "left", "AccessError")
    assert (run["event"], run["error"], run["images"]) == ("run.done", "AccessError", {"total": 1, "left": 1})


def test_every_option_that_the_environment_may_hold_says_so():
    told = " ".join(imagery_backfill("run", "--help").stdout.split())
    for name in ("CHIP_PX", "AFTER_MERGING", "DETECTOR", "INDEX_URL", "ARCHIVE_URI", "LOG_LEVEL", "INDEX_PREFIX"):
        assert f"env var: BACKFILL_{name}" in told
    assert "env var: AWS_REGION, AWS_DEFAULT_REGION" in told


def test_the_peak_of_memory_is_this_processs_own():
    program = "import batch_job.cli.memory as m; print(m.peak_mb())"
    large = bytearray(300 * 2**20)  # so that ru_maxrss, which a child begins with, is large
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len(large) > int(done.stdout) * 2**20
    assert 5 < int(done.stdout) < 100
    assert peak_mb() >= 300


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
