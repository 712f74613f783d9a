import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.backfill.listed_keys import CHUNK_ENTRIES, Comparison, KeyCollector, ListedKeys
from batch_job.values.image import ImageRef, ImageVersion, SideFile, side_keys
from batch_job.values.inventory import InventoryRow, UnreadableRow
from batch_job.values.ledger import LedgerEntry, State

BEGAN_MS = 1000
IMAGES = ("a.tif", "a.jpg", "b/a.tif", "c.png")
SIDES = ("a.tfw", "a.tif.ovr", "a.json", "b/a.tif.aux.xml", "c.wld")
objects = st.dictionaries(st.sampled_from(IMAGES + SIDES + ("notes.txt",)), st.sampled_from("ef"))


@st.composite
def entries(draw: st.DrawFn) -> list[LedgerEntry]:
    """One of each image, with side files that it may have had once."""
    found = []
    for key in draw(st.sets(st.sampled_from(IMAGES))):
        near = st.sampled_from(sorted(side_keys(key) & set(SIDES)) or ["far.tfw"])
        sides = draw(st.dictionaries(near, st.sampled_from("ef"), max_size=2))
        version = ImageVersion(
            etag="e",
            side_files=tuple(sorted(SideFile(side, etag) for side, etag in sides.items())),
            detection_fingerprint="d",
            index_fingerprint="i",
        )
        state, epoch = draw(st.sampled_from(State)), draw(st.sampled_from([BEGAN_MS - 1, BEGAN_MS, BEGAN_MS + 1]))
        found.append(LedgerEntry(image=ImageRef("b", key), state=state, version=version, epoch=epoch))
    return found


def collected(rows: list[InventoryRow | UnreadableRow]) -> ListedKeys:
    collector = KeyCollector()
    assert list(collector.passing(rows)) == rows
    return ListedKeys.from_bytes(collector.collected().to_bytes())


def in_files(found: dict[str, str], *, files: int, has_etags: bool = True) -> ListedKeys:
    """The keys of objects that an inventory lists in so many CSVs."""
    rows = [InventoryRow(key=key, etag=etag if has_etags else None) for key, etag in found.items()]
    return ListedKeys.together(collected(rows[number::files]) for number in range(files))


def by_the_rule(found: dict[str, str], entry: LedgerEntry, *, has_etags: bool) -> bool:
    """DESIGN 4.2, with dicts of texts."""
    if entry.state is State.REMOVED or entry.epoch >= BEGAN_MS:
        return False
    if entry.image.key not in found:
        return True
    named = {side.key: side.etag if has_etags else True for side in entry.version.side_files}
    there = {
        key: etag if has_etags else True
        for key, etag in found.items()
        if key in side_keys(entry.image.key) or key in named
    }
    return named != there


@settings(max_examples=400)
@given(found=objects, ledger=entries(), files=st.integers(min_value=1, max_value=4), has_etags=st.booleans())
def test_the_entries_that_differ_are_found_and_no_others(
    found: dict[str, str], ledger: list[LedgerEntry], files: int, *, has_etags: bool
):
    listed = in_files(found, files=files, has_etags=has_etags)
    comparison = Comparison(listed=listed, has_etags=has_etags, began_ms=BEGAN_MS)
    differing = [entry.image for entry in ledger if by_the_rule(found, entry, has_etags=has_etags)]
    assert list(comparison.contradicted(ledger)) == differing


def test_many_entries_are_compared_in_chunks():
    version = ImageVersion("e", (), detection_fingerprint="d", index_fingerprint="i")
    pulled = 0

    def ledger():
        nonlocal pulled
        for number in range(CHUNK_ENTRIES * 3):
            pulled += 1
            yield LedgerEntry(image=ImageRef("b", f"{number}.tif"), state=State.INDEXED, version=version, epoch=1)

    listed = in_files({f"{number}.tif": "e" for number in range(1, CHUNK_ENTRIES * 3)}, files=2)
    found = Comparison(listed=listed, has_etags=True, began_ms=BEGAN_MS).contradicted(ledger())
    assert next(found) == ImageRef("b", "0.tif")
    assert pulled == CHUNK_ENTRIES
    assert list(found) == []


def test_older_versions_delete_markers_and_unreadable_rows_have_no_keys():
    rows = [InventoryRow(key="a", etag="e"), InventoryRow(key="b", etag="e", current=False), UnreadableRow(3, "why")]
    listed = collected(rows)
    assert (len(listed.keys), len(listed.versions)) == (1, 1)


def test_of_no_files_together_are_no_keys():
    assert len(ListedKeys.together([]).keys) == 0


@pytest.mark.parametrize(
    "damage", [lambda body: body[:-1], lambda body: body[8:], lambda body: body[:8], lambda _: b""]
)
def test_a_damaged_file_of_keys_is_refused(damage):
    body = in_files({"a": "e", "b": "f"}, files=1).to_bytes()
    with pytest.raises(ValueError, match="hash"):
        ListedKeys.from_bytes(damage(body))


def test_a_key_takes_sixteen_bytes():
    rows = [InventoryRow(key=f"{number}", etag="e") for number in range(1000)]
    listed = collected(rows)
    assert listed.keys.dtype == listed.versions.dtype == np.uint64
    assert 16_000 <= len(listed.to_bytes()) < 16_100
