"""A folder as the archive."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.adapters.folder import PART, FolderArchiveStore
from batch_job.adapters.memory import MemoryArchiveStore
from batch_job.errors import DiskFullError, SettingsError

NAMES = st.sampled_from(["a", "b", "b-1", "image-x.json", "e01-000000.ndjson.gz"])
KEYS = st.builds("answers/{}/{}/{}".format, NAMES, NAMES, NAMES)


@pytest.fixture
def store(tmp_path) -> FolderArchiveStore:
    return FolderArchiveStore(tmp_path / "found.geojson.answers")


@given(st.lists(st.tuples(KEYS, st.binary(max_size=5)), max_size=8), KEYS, st.integers(0, 20))
def test_it_is_the_same_as_the_one_in_memory(tmp_path_factory, puts, key, length):
    folder, memory = FolderArchiveStore(tmp_path_factory.mktemp("archive")), MemoryArchiveStore()
    for one, body in puts:
        folder.put(one, body)
        memory.put(one, body)
    assert folder.get(key) == memory.get(key)
    assert list(folder.keys(key[:length])) == list(memory.keys(key[:length]))


def test_nothing_is_made_before_the_first_answer(store):
    assert store.get("answers/a") is None
    assert list(store.keys("answers/")) == []
    assert store.forget()
    assert not store.root.exists()


def test_a_write_that_breaks_off_leaves_nothing(store, monkeypatch):
    store.put("answers/a", b"before")

    def full(_self, _target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DiskFullError, match="no room left on the disk of"):
        store.put("answers/a", b"after")
    assert store.get("answers/a") == b"before"
    assert not list(store.root.rglob(f"*{PART}"))


def test_what_is_half_written_is_no_key(store):
    store.put("answers/a", b"x")
    (store.root / f"answers/b{PART}").write_bytes(b"half")
    assert list(store.keys("answers/")) == ["answers/a"]


def test_a_place_that_cannot_hold_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match="taken for paid answers: Not a directory"):
        FolderArchiveStore(tmp_path / "taken").put("answers/a", b"x")


def test_only_what_this_run_saw_is_forgotten(store):
    store.put("answers/other/a", b"of another run")
    later = FolderArchiveStore(store.root)
    later.put("answers/mine/a", b"x")
    later.put("answers/mine/b", b"x")
    assert not later.forget()
    assert list(store.keys("")) == ["answers/other/a"]
    assert not (store.root / "answers/mine").exists()
    assert store.get("answers/other/a") is not None
    assert store.forget()


def test_nothing_stays_of_a_write_that_was_interrupted(tmp_path, monkeypatch):
    store = FolderArchiveStore(tmp_path / "answers")

    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("batch_job.adapters.folder.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put("a/b", b"x")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_killed_run_was_writing_is_forgotten_with_the_rest(tmp_path):
    store = FolderArchiveStore(tmp_path / "answers")
    store.put("a/b", b"x")
    (tmp_path / "answers" / "a" / "c.part").write_bytes(b"half")
    assert store.forget()
