"""The archive: what was paid for is there, whoever wrote it."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.memory import MemoryArchiveStore
from batch_job.imagery.grid import windows
from batch_job.spend import archive as archive_module
from batch_job.spend.archive import PART_ANSWERS, Archive, ImageRecord
from batch_job.values.answers import ChipBlank, RawAnswer
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import ChipFrame, ChipGrid

IMAGE = ImageRef("b", "k.tif")
VERSION = ImageVersion("etag", (), "detection", "index")
FACTS = RasterFacts("GTiff", 3000, 1000, ("uint8",), ("gray",), (None,))
RECORD = ImageRecord(FACTS, ChipGrid(image_width=3000, image_height=1000, chip_px=200, overlap_px=20))
FRAMES = [
    ChipFrame(w, encoded_width=w.width, encoded_height=w.height, content_width=w.width, content_height=w.height)
    for w in windows(RECORD.grid)
]
ANSWERS = [RawAnswer(frame, engine="http", body=b"[]") for frame in FRAMES]


def written(store, answers, *, epoch=1, version=VERSION, on_part=lambda: None):
    writer = Archive(store).writer(IMAGE, version, epoch=epoch, on_part=on_part)
    for answer in answers:
        writer.add(answer)
    writer.flush()


def test_answers_come_in_parts_and_each_part_is_told():
    store, parts = MemoryArchiveStore(), []
    written(store, ANSWERS, on_part=lambda: parts.append(len(store.objects)))
    assert len(ANSWERS) > 2 * PART_ANSWERS
    assert parts == list(range(1, -(-len(ANSWERS) // PART_ANSWERS) + 1))
    found = list(Archive(store).answers(IMAGE, VERSION))
    assert sorted(found, key=lambda one: one.frame.window) == sorted(ANSWERS, key=lambda one: one.frame.window)


def test_an_old_part_is_written_although_it_is_not_full(monkeypatch):
    now = iter([0.0, 1.0, archive_module.PART_AGE_S, archive_module.PART_AGE_S])
    monkeypatch.setattr(archive_module.time, "monotonic", lambda: next(now))
    store = MemoryArchiveStore()
    writer = Archive(store).writer(IMAGE, VERSION, epoch=1, on_part=lambda: None)
    writer.add(ANSWERS[0])
    assert not store.objects
    writer.add(ANSWERS[1])
    assert len(store.objects) == 1


def test_blank_chips_alone_make_no_parts_until_the_end():
    store = MemoryArchiveStore()
    writer = Archive(store).writer(IMAGE, VERSION, epoch=1, on_part=lambda: None)
    for frame in FRAMES:
        writer.add(ChipBlank(frame))
    assert not store.objects
    writer.flush()
    assert len(store.objects) == 1


@given(st.sets(st.integers(0, len(FRAMES) - 1)), st.sets(st.integers(0, len(FRAMES) - 1)))
def test_readers_take_the_union_of_all_claims(first, second):
    store = MemoryArchiveStore()
    written(store, [ANSWERS[n] for n in first], epoch=1)
    written(store, [ANSWERS[n] for n in second], epoch=2)
    found = {answer.frame.window for answer in Archive(store).answers(IMAGE, VERSION)}
    assert found == {FRAMES[n].window for n in first | second}


@pytest.mark.parametrize(
    "body",
    [b"", b"not gzip", gzip.compress(b"{}\n"), gzip.compress(ANSWERS[0].to_ndjson())[:-9]],
    ids=["empty", "not gzip", "not an answer", "cut off"],
)
def test_a_part_that_cannot_be_read_counts_as_absent(body):
    store = MemoryArchiveStore()
    written(store, ANSWERS[:2])
    written(store, ANSWERS[2:4], epoch=2)
    store.objects[max(store.objects)] = body
    assert list(Archive(store).answers(IMAGE, VERSION)) == ANSWERS[:2]


def test_a_record_that_cannot_be_read_counts_as_absent():
    store = MemoryArchiveStore()
    archive = Archive(store)
    archive.write_record(IMAGE, VERSION, RECORD)
    [key] = store.objects
    store.objects[key] = b'{"facts": {}}'
    assert archive.record(IMAGE, VERSION) is None
    assert archive.any_record(IMAGE, VERSION) is None


def test_the_newest_answer_comes_first():
    store = MemoryArchiveStore()
    old, new = (RawAnswer(FRAMES[0], engine="http", body=body) for body in (b"old", b"new"))
    written(store, [old], epoch=9)
    written(store, [new], epoch=10)
    assert list(Archive(store).answers(IMAGE, VERSION)) == [new, old]


def test_very_many_blank_chips_are_written_before_the_end():
    store = MemoryArchiveStore()
    writer = Archive(store).writer(IMAGE, VERSION, epoch=1, on_part=lambda: None)
    for _ in range(archive_module.PART_LINES):
        writer.add(ChipBlank(FRAMES[0]))
    assert len(store.objects) == 1


def test_another_etag_or_fingerprint_shares_nothing():
    store = MemoryArchiveStore()
    written(store, ANSWERS)
    archive = Archive(store)
    for other in (ImageVersion("other", (), "detection", "index"), ImageVersion("etag", (), "other", "index")):
        assert list(archive.answers(IMAGE, other)) == []


def test_another_index_fingerprint_shares_everything():
    store = MemoryArchiveStore()
    written(store, ANSWERS)
    assert len(list(Archive(store).answers(IMAGE, ImageVersion("etag", (), "detection", "new")))) == len(ANSWERS)


def test_other_side_files_keep_the_answers_but_not_the_place():
    archive = Archive(MemoryArchiveStore())
    archive.write_record(IMAGE, VERSION, RECORD)
    moved = ImageVersion("etag", (SideFile("k.tfw", "1"),), "detection", "index")
    assert archive.record(IMAGE, VERSION) == RECORD
    assert archive.record(IMAGE, moved) is None
    assert archive.any_record(IMAGE, moved) == RECORD


def test_another_mask_beside_an_image_shows_other_pixels_so_nothing_is_kept():
    store = MemoryArchiveStore()
    masks = [
        (),
        (SideFile("k.msk", "1"),),
        (SideFile("k.msk", "2"),),
        (SideFile("k.tfw", "3"), SideFile("other.msk", "1")),
    ]
    image = ImageRef("b", "k")
    versions = [ImageVersion("etag", sides, "detection", "index") for sides in masks]
    archive = Archive(store)
    for number, version in enumerate(versions[:3]):
        writer = archive.writer(image, version, epoch=1, on_part=lambda: None)
        writer.add(ANSWERS[number])
        writer.flush()
        archive.write_record(image, version, RECORD)
    assert [list(archive.answers(image, version)) for version in versions] == [[ANSWERS[n]] for n in (0, 1, 2, 0)]
    assert archive.any_record(image, ImageVersion("etag", (SideFile("k.msk", "4"),), "detection", "index")) is None


def test_a_hostile_etag_stays_in_its_folder():
    store = MemoryArchiveStore()
    written(store, ANSWERS[:1], version=ImageVersion("../../x/", (), "detection", "index"))
    [key] = store.objects
    assert key.count("/") == 4
    assert ".." not in key.split("/")


def test_the_same_answers_give_the_same_bytes():
    one, two = MemoryArchiveStore(), MemoryArchiveStore()
    written(one, ANSWERS[:3])
    written(two, ANSWERS[:3])
    assert one.objects == two.objects
    [body] = one.objects.values()
    assert len(gzip.decompress(body).splitlines()) == 3
