"""The GeoJSON file is whole at every end."""

import errno
import json

import pytest

from batch_job.cli.geojson_file import GeoJSONFile
from batch_job.errors import DiskFullError, SettingsError


def feature(number: int) -> dict:
    return {"type": "Feature", "id": str(number), "geometry": None, "properties": {"n": number}}


def ids(path) -> list[str]:
    return [one["id"] for one in json.loads(path.read_text())["features"]]


@pytest.mark.parametrize("images", [[], [1], [1, 2, 3]])
def test_it_is_a_collection_of_what_was_added(tmp_path, images):
    path = tmp_path / "found.geojson"
    with GeoJSONFile(path) as file:
        for n in images:
            file.add(feature(n))
    assert ids(path) == [str(n) for n in images]
    assert [one.name for one in tmp_path.iterdir()] == ["found.geojson"]


def test_nothing_stands_under_its_name_before_the_end(tmp_path):
    path = tmp_path / "found.geojson"
    with GeoJSONFile(path) as file:
        file.add(feature(1))
        assert not path.exists()


def test_after_an_interruption_it_holds_what_was_finished(tmp_path):
    path = tmp_path / "found.geojson"
    with pytest.raises(KeyboardInterrupt), GeoJSONFile(path) as file:
        file.add(feature(1), feature(2))
        raise KeyboardInterrupt
    assert ids(path) == ["1", "2"]


def test_on_a_full_disk_it_holds_the_images_that_had_room(tmp_path, monkeypatch):
    path = tmp_path / "found.geojson"
    with pytest.raises(DiskFullError, match=r"no room left on the disk of .*found\.geojson"), GeoJSONFile(path) as file:
        file.add(feature(1))

        def half_a_write(body: bytes) -> None:
            file._file.write(bytes(body)[: len(body) // 2])
            monkeypatch.undo()
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(file, "_write", half_a_write)
        file.add(feature(2), feature(3))
    assert ids(path) == ["1"]


def test_a_folder_that_is_not_writable_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot write"), GeoJSONFile(tmp_path / "missing" / "x.geojson"):
        pass
