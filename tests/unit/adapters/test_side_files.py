import hashlib

import pytest

from batch_job.adapters import side_files
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.side_files import SideFileReader
from batch_job.errors import ChangedError
from batch_job.values.image import LOCAL_FILES, ImageRef, SideFile

IMAGE = ImageRef("imagery", "scene.tif")


def side(body: bytes) -> SideFile:
    return SideFile("scene.tfw", hashlib.md5(body, usedforsecurity=False).hexdigest())


def read(body: bytes, asked: SideFile) -> bytes:
    return SideFileReader(ObjectsInMemory({ImageRef("imagery", asked.key): body}))(IMAGE, asked)


def test_the_version_that_was_seen_is_read_whole():
    assert read(b"1\n2\n", side(b"1\n2\n")) == b"1\n2\n"


def test_another_version_is_a_change_of_the_image():
    with pytest.raises(ChangedError):
        read(b"1\n2\n", side(b"1\n"))


def test_what_is_empty_or_too_large_is_nothing(monkeypatch):
    assert read(b"", side(b"")) == b""
    monkeypatch.setattr(side_files, "MAX_BYTES", 3)
    assert read(b"1\n2\n", side(b"1\n2\n")) == b""
    assert read(b"1\n2", side(b"1\n2")) == b"1\n2"


def test_files_of_this_machine_are_read_too(tmp_path):
    (tmp_path / "scene.tfw").write_bytes(b"1\n2\n")
    image = ImageRef(LOCAL_FILES, str(tmp_path / "scene.tif"))
    asked = SideFile(str(tmp_path / "scene.tfw"), "any")
    assert SideFileReader(ObjectsInMemory({}))(image, asked) == b"1\n2\n"
