"""Images, their side files, and what each is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.values.image import ImageRef, is_image_key, side_file_prefix, side_keys, stem


def test_side_files_are_the_ten_names_that_gdal_would_read():
    assert side_keys("a/b.tif") == {
        *("a/b.tif.aux.xml", "a/b.tif.msk", "a/b.tif.ovr"),
        *("a/b.tfw", "a/b.jgw", "a/b.pgw", "a/b.wld", "a/b.json"),
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a/b.tif", "a/b."), ("b.c.tif", "b.c."), ("a.d/b", "a.d/b."), ("b", "b."), ("a/.tif", "a/.tif.")],
)
def test_the_stem_ends_before_the_last_ending_of_the_name(key, expected):
    assert stem(key) == expected


@given(st.text(alphabet="ab./", min_size=1, max_size=12))
def test_every_side_file_stands_under_the_stem_or_the_whole_key(key):
    assert all(side.startswith((stem(key), key)) for side in side_keys(key))


@given(st.text(alphabet="ab.", min_size=1, max_size=8).filter(lambda name: not name.startswith(".")))
def test_a_side_file_leads_back_to_a_prefix_of_its_image(name):
    image = f"folder/{name}.tif"
    for side in side_keys(image):
        prefix = side_file_prefix(side)
        assert prefix is not None
        assert image.startswith(prefix)


@pytest.mark.parametrize("key", ["a.tif", "a.txt", "a/"])
def test_other_keys_are_nobodys_side_files(key):
    assert side_file_prefix(key) is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a.tif", True), ("A.TIFF", True), ("x.jp2", True), ("a.tif.ovr", False), ("a.tif/", False), ("tif", False)],
)
def test_images_are_known_by_their_ending(key, expected):
    assert is_image_key(key) is expected


def test_ids_differ_exactly_when_bucket_or_key_differ():
    one, same, other = ImageRef("b", "k"), ImageRef("b", "k"), ImageRef("bk", "")
    assert one.id == same.id != other.id
    assert len(one.id) == 32
