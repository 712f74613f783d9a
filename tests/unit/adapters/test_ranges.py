import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.ranges import (
    BLOCK_BYTES,
    FIRST_BLOCKS_AHEAD,
    MAX_BLOCKS_AT_ONCE,
    MAX_BLOCKS_KEPT,
    SMALL_BYTES,
    LocalFiles,
    ObjectsInMemory,
    Portion,
    RangedObject,
)
from batch_job.errors import ChangedError, UnavailableError, UnreadableImageError
from batch_job.values.image import LOCAL_FILES, ImageRef

IMAGE = ImageRef("b", "k")
BODY = bytes(range(256)) * (20 * BLOCK_BYTES // 256) + b"end"
BEYOND = (FIRST_BLOCKS_AHEAD + 1) * BLOCK_BYTES
"""What the first request does not bring."""


@dataclass
class Watched:
    """Counts, and does what it is told to."""

    body: bytes
    calls: list[tuple[str | None, int, int]] = field(default_factory=list)
    fails: Exception | None = None
    cut: int = 0

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        self.calls.append((etag, start, length))
        if self.fails is not None:
            raise self.fails
        part = self.body[start : start + length]
        return Portion(part[: len(part) - self.cut], object_size=len(self.body), etag="v1")


@given(
    steps=st.lists(st.tuples(st.integers(0, len(BODY) + 10), st.integers(-1, 2 * BLOCK_BYTES)), min_size=1, max_size=8)
)
def test_it_reads_like_a_file(steps: list[tuple[int, int]]):
    real, ours = io.BytesIO(BODY), RangedObject(Watched(BODY), IMAGE, etag="v1").open()
    for start, length in steps:
        assert ours.seek(start) == real.seek(start)
        assert ours.read(length) == real.read(length)
        assert ours.tell() == real.tell()


def test_it_seeks_from_anywhere():
    file = RangedObject(Watched(BODY), IMAGE, etag=None).open()
    assert file.seek(-3, io.SEEK_END) == len(BODY) - 3
    assert file.read() == b"end"
    assert file.seek(-1, io.SEEK_CUR) == len(BODY) - 1


def test_two_open_files_of_one_object_do_not_move_each_other():
    opened = RangedObject(Watched(BODY), IMAGE, etag=None)
    one, other = opened.open(), opened.open()
    one.read(10)
    assert other.tell() == 0
    assert one.tell() == 10


def test_every_read_is_of_the_version_asked_for():
    watched = Watched(BODY)
    RangedObject(watched, IMAGE, etag="v7").read(0, len(BODY))
    assert {etag for etag, *_ in watched.calls} == {"v7"}


def test_without_a_version_the_first_read_settles_it():
    watched = Watched(BODY)
    opened = RangedObject(watched, IMAGE, etag=None)
    opened.read(0, 1)
    opened.read(BEYOND, 1)
    assert [etag for etag, *_ in watched.calls] == [None, "v1"]


def test_no_byte_is_asked_for_twice_while_it_is_kept():
    watched = Watched(BODY)
    opened = RangedObject(watched, IMAGE, etag=None)
    for _ in range(3):
        opened.read(100, 50)
        opened.read(BEYOND - 1, 2)
    assert opened.requests == len(watched.calls) == 2


def test_reading_in_order_asks_for_more_at_once():
    watched = Watched(bytes(400 * BLOCK_BYTES))
    opened = RangedObject(watched, IMAGE, etag=None)
    for index in range(400):
        opened.read(index * BLOCK_BYTES, BLOCK_BYTES)
    blocks = [length // BLOCK_BYTES for *_, length in watched.calls]
    assert blocks == [FIRST_BLOCKS_AHEAD, 16, 32, 64, MAX_BLOCKS_AT_ONCE, MAX_BLOCKS_AT_ONCE, MAX_BLOCKS_AT_ONCE]


def test_reading_here_and_there_asks_for_what_is_wanted_at_once_and_no_more():
    watched = Watched(bytes(400 * BLOCK_BYTES))
    opened = RangedObject(watched, IMAGE, etag=None)
    for index, n_blocks in ((399, 1), (300, 12), (100, 1), (200, 7)):
        opened.read(index * BLOCK_BYTES, n_blocks * BLOCK_BYTES)
    blocks = [(start // BLOCK_BYTES, length // BLOCK_BYTES) for _, start, length in watched.calls]
    assert blocks == [(0, FIRST_BLOCKS_AHEAD), (399, 1), (300, 12), (100, 1), (200, 7)]


def test_a_small_object_is_read_in_few_requests_in_whatever_order():
    watched = Watched(bytes(range(256)) * (SMALL_BYTES // 256))
    opened = RangedObject(watched, IMAGE, etag=None)
    for start in (0, SMALL_BYTES - 10, 50 * BLOCK_BYTES, 20 * BLOCK_BYTES, BEYOND, 70 * BLOCK_BYTES):
        assert opened.read(start, 4) == watched.body[start : start + 4]
    assert opened.requests <= 5
    opened.read(0, SMALL_BYTES)
    assert opened.requests <= 6


def test_more_than_may_be_kept_is_read_too_but_never_in_one_request():
    watched = Watched(bytes(300 * BLOCK_BYTES))
    assert len(RangedObject(watched, IMAGE, etag=None).read(0, 300 * BLOCK_BYTES)) == 300 * BLOCK_BYTES
    assert max(length // BLOCK_BYTES for *_, length in watched.calls) == MAX_BLOCKS_AT_ONCE


def test_memory_is_bounded():
    opened = RangedObject(Watched(bytes(600 * BLOCK_BYTES)), IMAGE, etag=None)
    for index in range(600):
        opened.read(index * BLOCK_BYTES, 1)
    assert len(opened._blocks) == MAX_BLOCKS_KEPT


def test_after_an_error_nothing_is_asked_for_and_the_error_is_kept():
    watched = Watched(BODY)
    opened = RangedObject(watched, IMAGE, etag="v1")
    opened.read(0, 10)
    watched.fails = ChangedError("other version")
    for _ in range(2):
        with pytest.raises(ChangedError):
            opened.read(BEYOND, 10)
    assert opened.error is watched.fails
    assert len(watched.calls) == 2


def test_a_short_answer_is_an_error_of_the_store_not_of_the_image():
    with pytest.raises(UnavailableError, match=r"s3://b/k: got \d+ bytes of \d+ from 0 on"):
        RangedObject(Watched(BODY, cut=1), IMAGE, etag=None).read(0, 10)


def test_an_empty_object_has_no_bytes():
    assert RangedObject(Watched(b""), IMAGE, etag=None).read(0, 100) == b""


def test_files_of_this_machine_are_read(tmp_path: Path):
    path = tmp_path / "a#b?c%20 +é.bin"
    path.write_bytes(b"0123456789")
    image = ImageRef(LOCAL_FILES, str(path))
    portion = LocalFiles().read_range(image, etag=None, start=3, length=4)
    assert (portion.body, portion.object_size) == (b"3456", 10)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    image = ImageRef(LOCAL_FILES, str(tmp_path / "none.tif"))
    with pytest.raises(UnreadableImageError, match=r"none\.tif: No such file"):
        LocalFiles().read_range(image, etag=None, start=0, length=1)
    with pytest.raises(UnreadableImageError, match="Is a directory"):
        LocalFiles().read_range(ImageRef(LOCAL_FILES, str(tmp_path)), etag=None, start=0, length=1)


def test_the_store_in_memory_tells_versions_apart():
    store = ObjectsInMemory({IMAGE: b"abc"})
    first = store.read_range(IMAGE, etag=None, start=1, length=9)
    assert (first.body, first.object_size) == (b"bc", 3)
    assert store.read_range(IMAGE, etag=first.etag, start=0, length=1).body == b"a"
    store.bodies[IMAGE] = b"xyz"
    with pytest.raises(ChangedError):
        store.read_range(IMAGE, etag=first.etag, start=0, length=1)
    del store.bodies[IMAGE]
    with pytest.raises(ChangedError):
        store.read_range(IMAGE, etag=None, start=0, length=1)
