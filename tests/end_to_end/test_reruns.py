"""Runs one after the other: the index follows the bucket, and nothing is paid for twice."""

from contextlib import contextmanager

import pytest

from batch_job.cli import run as command
from batch_job.cli import run_to_index
from batch_job.cli.stand_ins import LocalServices
from tests.end_to_end.files import CAR, good, picture, tiff
from tests.end_to_end.user import imagery_backfill

MOVED = (300.0, 20.0, 340.0, 70.0)
WORLD_FILE = b"1\n0\n0\n-1\n500000\n5000000\n"
SMALL_CHIPS = ("--chip-px", "128", "--overlap-px", "64")
SO_MANY = 24 + 1


def with_car(*cars: tuple[float, ...]) -> bytes:
    return tiff(picture(cars=cars))


def near(boxes: list[tuple[float, ...]], *expected: tuple[float, ...]) -> bool:
    return len(boxes) == len(expected) and all(
        box == pytest.approx(wanted, abs=1) for box, wanted in zip(boxes, sorted(expected), strict=True)
    )


def test_a_second_run_does_nothing_and_costs_nothing(world):
    for key in ("a.tif", "b.tif"):
        world.put(key, good())
    assert world.run().images == {"indexed": 2}
    before = world.entry("a.tif")
    again = world.run()
    assert (again.images, again.calls, again.exit_code) == ({"skipped_same": 2}, 0, 0)
    assert world.entry("a.tif") == before


def test_an_overwritten_object_has_its_new_labels_and_no_old_ones(world):
    world.put("a.tif", with_car(CAR))
    world.put("good.tif", good())
    world.run()
    neighbour = world.entry("good.tif")
    world.put("a.tif", with_car(MOVED))
    done = world.run()
    assert done.images == {"indexed": 1, "skipped_same": 1}
    assert near(world.cars("a.tif"), MOVED)
    assert world.documents() == sum(world.entry(key).live.count for key in ("a.tif", "good.tif"))
    assert world.entry("good.tif") == neighbour


def test_an_object_written_again_with_the_same_bytes_is_not_looked_at_again(world):
    world.put("a.tif", good())
    world.run()
    world.put("a.tif", good())
    done = world.run()
    assert (done.images, done.calls) == ({"skipped_same": 1}, 0)


def test_a_deleted_object_leaves_the_index_and_a_recreated_one_returns(world):
    world.put("a.tif", with_car(CAR))
    world.put("good.tif", good())
    world.run()
    world.delete("a.tif")
    assert world.run().images == {"removed": 1, "skipped_same": 1}
    assert world.labels("a.tif") == []
    assert world.entry("a.tif").state == "removed"
    assert world.documents() == world.entry("good.tif").live.count
    assert world.run().images == {"skipped_same": 1}
    world.put("a.tif", with_car(CAR, MOVED))
    assert world.run().images == {"indexed": 1, "skipped_same": 1}
    assert near(world.cars("a.tif"), CAR, MOVED)


def test_the_last_object_of_a_bucket_leaves_the_index_too(world):
    world.put("a.tif", good())
    world.run()
    world.delete("a.tif")
    done = world.run()
    assert (done.images, done.exit_code) == ({"removed": 1}, 0)


def test_a_misspelt_source_is_wrong_usage_and_nothing_is_done(world):
    world.put("in/a.tif", good())
    arguments = world.arguments()
    for wrong in ("typo/", "in/a.txt"):
        arguments[1] = f"s3://{world.bucket}/{wrong}"
        done = imagery_backfill(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"{arguments[1]}: no image there (looked for endings .tif" in done.stderr
    both = imagery_backfill(*arguments[:2], f"s3://{world.bucket}/in/", *arguments[2:])
    assert both.exit_code == 2
    assert world.entry("in/a.tif") is None


def test_files_are_uploaded_and_run_whatever_their_ending_and_their_namesakes_are_not(world, tmp_path, monkeypatch):
    """``photo.tiff`` stands there already, and ``photo.tif`` is no prefix."""
    urls = {"opensearch": world.index_url, "emulator": world.s3_endpoint, "rekognition": world.rekognition_url}

    @contextmanager
    def running(_needed, **_named):
        yield LocalServices(urls)

    monkeypatch.setattr(command, "local_services", running)
    monkeypatch.setattr(run_to_index, "IMAGERY_BUCKET", world.bucket)
    monkeypatch.chdir(tmp_path)
    world.put("photo.tiff", good())
    for name in ("nasa.weird", "photo.tif"):
        (tmp_path / name).write_bytes(good())
    prefix = ("--index-prefix", world.prefix)
    done = imagery_backfill("run", "nasa.weird", "photo.tif", "--to", "index", "--local", *prefix, "--json")
    assert (done.exit_code, done.images) == (0, {"indexed": 2})
    assert world.entry("photo.tiff") is None
    assert near(world.cars("nasa.weird"), CAR)


def test_a_lost_index_is_rebuilt_from_the_archive_without_a_call(world):
    for key in ("a.tif", "b.tif"):
        world.put(key, good())
    assert world.run(*SMALL_CHIPS).calls == 2 * SO_MANY
    before = [(label.label, label.pixel_box, label.confidence) for label in world.labels("a.tif")]
    world.wipe()
    done = world.run(*SMALL_CHIPS)
    assert (done.images, done.calls, done.summary["chips"]["from_archive"]) == ({"indexed": 2}, 0, 2 * SO_MANY)
    assert [(label.label, label.pixel_box, label.confidence) for label in world.labels("a.tif")] == before


def test_a_side_file_more_is_another_version_that_costs_no_call(world):
    world.put("a.tif", good())
    world.put("good.tif", good())
    world.run()
    first = world.entry("a.tif")
    world.put("a.tfw", WORLD_FILE)
    done = world.run()
    assert (done.images, done.calls) == ({"indexed": 1, "skipped_same": 1}, 0)
    second = world.entry("a.tif")
    assert [side.key for side in second.version.side_files] == ["a.tfw"]
    assert second.epoch > first.epoch
    assert near(world.cars("a.tif"), CAR)
    assert world.documents() == second.live.count + world.entry("good.tif").live.count
    world.delete("a.tfw")
    assert world.run().images == {"indexed": 1, "skipped_same": 1}


def test_other_detection_settings_are_paid_for_only_on_demand(world):
    world.put("a.tif", good())
    world.run()
    waiting = world.run(*SMALL_CHIPS)
    assert (waiting.images, waiting.calls) == ({"skipped_same": 1}, 0)
    redone = world.run(*SMALL_CHIPS, "--redo")
    assert (redone.images, redone.calls) == ({"indexed": 1}, SO_MANY)
    assert near(world.cars("a.tif"), CAR)
    back = world.run("--redo")
    assert (back.images, back.calls) == ({"indexed": 1}, 0)


def test_a_hook_after_merging_more_makes_new_labels_from_old_answers(world):
    world.put("a.tif", with_car(CAR, MOVED))
    world.run()
    done = world.run("--after-merging", "tests.end_to_end.hooks:only_the_left_half")
    assert (done.images, done.calls) == ({"indexed": 1}, 0)
    assert near(world.cars("a.tif"), CAR)


def test_another_choice_of_labels_is_made_without_a_call_and_so_is_the_way_back(world):
    cars = [(col, 20.0, col + 30, 50.0) for col in range(20, 380, 40)]
    world.put("a.tif", with_car(*cars))
    world.put("b.tif", with_car(CAR))

    def labels():
        return {label.label for key in ("a.tif", "b.tif") for label in world.labels(key)}

    first = world.run()
    assert (first.images, labels()) == ({"indexed": 2}, {"Car", "Parking Lot"})
    for options, left in (
        (("--exclude-labels", "car"), {"Parking Lot"}),
        (("--include-labels", "VEHICLE,Boat"), {"Car"}),
        (("--include-labels", "Vehicle,Parking Lot", "--exclude-labels", "Car"), {"Parking Lot"}),
        ((), {"Car", "Parking Lot"}),
    ):
        done = world.run(*options)
        assert (done.images, done.calls, done.exit_code) == ({"indexed": 2}, 0, 0)
        assert labels() == left
        assert world.documents() == sum(world.entry(key).live.count for key in ("a.tif", "b.tif"))
    assert near(world.cars("b.tif"), CAR)
    again = world.run()
    assert (again.images, again.calls) == ({"skipped_same": 2}, 0)


def test_a_hook_that_raises_fails_its_image_and_not_the_neighbour(world):
    world.put("a.tif", with_car(CAR, MOVED))
    world.put("b.tif", with_car(CAR))
    done = world.run("--after-merging", "tests.end_to_end.hooks:raises_over_two_objects")
    assert (done.images, done.summary["errors"], done.exit_code) == ({"failed": 1, "indexed": 1}, {"bad_hook": 1}, 65)
    assert "too much for me" in world.entry("a.tif").error
    assert f"failed: s3://{world.bucket}/a.tif: bad_hook: hook tests.end_to_end.hooks:raises" in done.stderr
    assert near(world.cars("b.tif"), CAR)
