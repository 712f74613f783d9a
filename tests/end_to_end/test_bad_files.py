"""Bad files: a clear outcome for each, and the good ones beside them unharmed."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.files import CAR, FAILED, READ, WITHOUT_A_CAR, good, one_colour_tiff, picture, pillow, vrt
from tests.end_to_end.user import Done, World, Written, ended, imagery_backfill, start

IN_ALL = len(READ) + len(WITHOUT_A_CAR) + len(FAILED)


def bodies() -> Iterator[tuple[str, bytes]]:
    for name, make in {**READ, **WITHOUT_A_CAR}.items():
        yield name, make()
    for name, (make, _, _) in FAILED.items():
        yield name, make()


def is_the_car(box: tuple[float, ...]) -> bool:
    return box == pytest.approx(CAR, abs=1)


class ToFile:
    """A run into a file, over a folder of everything."""

    def __init__(self, folder: Path, rekognition_url: str) -> None:
        for name, body in bodies():
            (folder / name).write_bytes(body)
        path = folder / "found.geojson"
        detector = f"rekognition@{rekognition_url}"
        self.done: Done = imagery_backfill("run", folder, "--to", path, "--detector", detector, "--json")
        self.written = Written.read(path)


@pytest.fixture(scope="module")
def to_file(tmp_path_factory, rekognition_url) -> ToFile:
    return ToFile(tmp_path_factory.mktemp("files"), rekognition_url)


@pytest.fixture(scope="module")
def to_index(shared_world: World) -> Done:
    for name, body in bodies():
        shared_world.put(f"in/{name}", body)
    return shared_world.run()


@pytest.mark.parametrize("name", READ)
def test_what_can_be_read_is_indexed_with_its_object(to_file, name):
    assert to_file.written.image(name)["properties"]["status"] == "indexed"
    [car] = to_file.written.objects(name)
    assert car.label == "Car"
    box = (car.box.min_col, car.box.min_row, car.box.max_col, car.box.max_row)
    assert is_the_car(box)


@pytest.mark.parametrize("name", WITHOUT_A_CAR)
def test_what_shows_nothing_is_indexed_without_labels(to_file, name):
    assert to_file.written.image(name)["properties"]["status"] == "indexed"
    assert to_file.written.labels(name) == []


def test_an_image_without_data_costs_no_call(to_file):
    chips = to_file.written.image("all_nodata.tif")["properties"]["chips"]
    assert chips == {"total": 1, "sent": 0, "blank": 1, "rejected": 0}


@pytest.mark.parametrize("name", FAILED)
def test_what_cannot_be_read_is_named_with_its_code_and_its_reason(to_file, name):
    _, code, words = FAILED[name]
    image = to_file.written.image(name)["properties"]
    assert (image["status"], image["error_code"]) == ("failed", code)
    assert words in image["error"]
    assert to_file.written.labels(name) == []
    [line] = [line for line in to_file.done.stderr.splitlines() if f"/{name}: {code}: " in line]
    assert line.startswith("failed: file://")


def test_the_run_ends_with_65_and_counts_every_image_once(to_file):
    assert to_file.done.exit_code == 65
    assert to_file.done.images == {"indexed": IN_ALL - len(FAILED), "failed": len(FAILED)}
    codes = [code for _, code, _ in FAILED.values()]
    assert to_file.done.summary["errors"] == {code: codes.count(code) for code in set(codes)}


@pytest.mark.parametrize(("width", "height"), [(60, 50), (79, 300), (400, 30)])
def test_an_image_under_80_px_is_padded_for_the_detector_and_its_object_stays_within(
    tmp_path, rekognition_url, width, height
):
    at_the_corner = (width - 20.0, height - 12.0, float(width), float(height))
    (tmp_path / "small.png").write_bytes(pillow(picture(width=width, height=height, cars=(at_the_corner,)), "PNG"))
    path = tmp_path / "found.geojson"
    done = imagery_backfill(
        *("run", tmp_path / "small.png", "--to", path, "--detector", f"rekognition@{rekognition_url}"), "--json"
    )
    assert (done.exit_code, done.summary["chips"]["rejected"]) == (0, 0)
    [car] = Written.read(path).objects("small.png")
    box = (car.box.min_col, car.box.min_row, car.box.max_col, car.box.max_row)
    assert box == pytest.approx(at_the_corner, abs=1)
    assert car.box.max_col <= width
    assert car.box.max_row <= height


def test_a_vrt_is_refused_by_its_own_name_too_and_what_it_points_at_is_not_opened(tmp_path, rekognition_url):
    (tmp_path / "secret.tif").write_bytes(good())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        for name, source in (("f.vrt", tmp_path / "secret.tif"), ("u.vrt", f"/vsicurl/http://127.0.0.1:{port}/x.tif")):
            (tmp_path / name).write_bytes(vrt(str(source)))
        path = tmp_path / "found.geojson"
        files = (tmp_path / "f.vrt", tmp_path / "u.vrt")
        done = imagery_backfill("run", *files, "--to", path, "--detector", f"rekognition@{rekognition_url}", "--json")
        with pytest.raises(TimeoutError):
            listener.accept()
    assert (done.exit_code, done.summary["errors"], done.calls) == (65, {"unsupported": 2}, 0)


def test_an_image_of_another_planet_has_no_place_on_this_one(to_file):
    image = to_file.written.image("mars.tif")
    assert image["geometry"] is None
    assert image["properties"]["georeference"] == "none"
    [car] = [label for label in to_file.written.labels("mars.tif") if label["properties"]["kind"] == "object"]
    assert car["geometry"] is None


def test_in_the_index_every_image_has_the_same_outcome(to_index, shared_world):
    assert to_index.exit_code == 65
    for name in (*READ, *WITHOUT_A_CAR):
        entry = shared_world.entry(f"in/{name}")
        assert (name, entry.state, entry.error_code) == (name, "indexed", None)
    for name, (_, code, words) in FAILED.items():
        entry = shared_world.entry(f"in/{name}")
        assert (name, entry.state, entry.error_code) == (name, "failed", code)
        assert words in entry.error


def test_in_the_index_every_image_that_can_be_read_has_its_object(to_index, shared_world):
    for name in READ:
        [car] = shared_world.cars(f"in/{name}")
        assert is_the_car(car), name


def test_a_second_run_tries_no_failed_image_again_and_still_says_how_many_they_are(to_index, shared_world):
    again = shared_world.run()
    assert again.images == {"skipped_same": IN_ALL - len(FAILED), "failed_before": len(FAILED)}
    assert again.summary["errors"] == to_index.summary["errors"]
    assert (again.calls, again.exit_code) == (0, 65)


def test_a_failed_image_is_indexed_when_it_is_uploaded_again(world):
    world.put("a.tif", b"")
    assert world.run().images == {"failed": 1}
    world.put("a.tif", good())
    done = world.run()
    assert (done.images, done.exit_code) == ({"indexed": 1}, 0)
    assert len(world.cars("a.tif")) == 1
    assert world.entry("a.tif").error_code is None


def test_a_bomb_of_one_colour_is_indexed_with_all_chips_blank(tmp_path, rekognition_url):
    (tmp_path / "bomb.tif").write_bytes(one_colour_tiff(30_000))
    (tmp_path / "good.tif").write_bytes(good())
    path = tmp_path / "found.geojson"
    detector = f"rekognition@{rekognition_url}"
    done = ended(start("run", tmp_path, "--to", path, "--detector", detector, "--json", "--quiet"))
    assert (done.exit_code, done.images) == (0, {"indexed": 2})
    written = Written.read(path)
    assert written.image("bomb.tif")["properties"]["chips"] == {"total": 1370, "sent": 0, "blank": 1370, "rejected": 0}
    assert len(written.objects("good.tif")) == 1
    assert done.summary["peak_memory_mb"] < 500
