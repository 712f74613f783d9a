"""What SOURCE stands for."""

import os

import click
import pytest

from batch_job.adapters.memory import MemoryObjectStore
from batch_job.cli.sources import file_source, find_sources, side_files_of, split_s3
from batch_job.values.image import ImageRef


def found(*names, store=None) -> list[str]:
    return [source.image.key for source in find_sources(names, store or MemoryObjectStore())]


def test_a_file_is_taken_whatever_its_ending(tmp_path):
    (tmp_path / "scene.dat").write_bytes(b"x")
    assert found(str(tmp_path / "scene.dat")) == [str(tmp_path / "scene.dat")]


def test_a_folder_gives_its_images_in_order_without_side_files(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.TIF", "1.jpg", "1.jpg.aux.xml", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert found(str(tmp_path)) == [str(tmp_path / "1.jpg"), str(tmp_path / "b/2.TIF")]


def test_a_bucket_gives_the_images_under_the_prefix_each_once():
    store = MemoryObjectStore()
    for key in ("in/a b+%é.tif", "in/folder/", "in/a.tfw", "out/c.tif", "in/ü.png"):
        store.put(ImageRef("b", key), b"x")
    assert found("s3://b/in/", "s3://b/in/ü", store=store) == ["in/a b+%é.tif", "in/ü.png"]


@pytest.mark.parametrize("name", ["no-such-file.tif", "s3://b/nothing"])
def test_a_source_that_stands_for_nothing_is_named(name):
    with pytest.raises(click.UsageError, match=name):
        found(name)


@pytest.mark.parametrize("name", ["s3:///x", "s3:/b/x", "https://b"])
def test_other_addresses_are_refused(name):
    with pytest.raises(click.UsageError, match="is not s3://BUCKET"):
        split_s3(name)


def test_a_changed_file_has_another_etag(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"x")
    before = file_source(path).facts.etag
    os.utime(path, ns=(1, 1))
    assert file_source(path).facts.etag != before


def test_what_lies_beside_a_file_or_an_object_is_found(tmp_path):
    for name in ("a.tif", "a.tfw", "a.tif.aux.xml", "a.tif.txt", "ab.tfw"):
        (tmp_path / name).write_bytes(b"x")
    [source] = find_sources([str(tmp_path / "a.tif")], MemoryObjectStore())
    beside = side_files_of(source.image, MemoryObjectStore())
    assert [side.key for side in beside] == [str(tmp_path / "a.tfw"), str(tmp_path / "a.tif.aux.xml")]
    (tmp_path / "a.tfw").write_bytes(b"other")
    assert side_files_of(source.image, MemoryObjectStore())[0].etag != beside[0].etag
    store = MemoryObjectStore()
    for key in ("in/a.tif", "in/a.tfw", "in/b.tfw"):
        store.put(ImageRef("b", key), b"x")
    assert [side.key for side in side_files_of(ImageRef("b", "in/a.tif"), store)] == ["in/a.tfw"]
    assert side_files_of(ImageRef("b", "in/gone.tif"), store) == ()
