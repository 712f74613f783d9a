"""What stands in the bucket, and which images a key is about."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_job.adapters.memory import MemoryObjectStore
from batch_job.ledger.looking import LISTED, images_about, look
from batch_job.values.image import ImageRef, SideFile, side_keys
from batch_job.values.objects import ListedObject, ObjectFacts
from tests.unit.ledger.entries import IMAGE
from tests.unit.ledger.fakes import EndlessStore

BUCKET = IMAGE.bucket


class AskedStore(MemoryObjectStore):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = 0
        self.asked: list[str] = []

    def head(self, image: ImageRef) -> ObjectFacts | None:
        self.asked.append(image.key)
        return super().head(image)

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        for one in super().list(bucket, prefix):
            self.listed += 1
            yield one


def about(store: MemoryObjectStore, key: str) -> list[str]:
    return [image.key for image in images_about(store, bucket=BUCKET, key=key)]


def test_an_object_that_does_not_exist_is_not_found() -> None:
    assert look(MemoryObjectStore(), IMAGE) is None


def test_side_files_are_found_by_one_listing_and_sorted() -> None:
    store = MemoryObjectStore()
    for key in ("o/a.tif", "o/a.tfw", "o/a.tif.ovr", "o/a.tiff", "o/a.txt", "o/ab.tfw", "p/a.tfw"):
        store.put(ImageRef(BUCKET, key), key.encode())
    found = look(store, IMAGE)
    assert found is not None
    assert [side.key for side in found.side_files] == ["o/a.tfw", "o/a.tif.ovr"]


def test_strangers_beside_an_image_cost_a_page_and_a_few_questions() -> None:
    """10,000 scenes ``o/a.00001.tif`` stand between the image's ``.aux.xml``, to say so, and its ``.tfw``."""
    store = AskedStore()
    for key in ("o/a.", "o/a.tif", "o/a.tif.ovr", "o/a.tfw", *(f"o/a.{number:05}.tif" for number in range(10_000))):
        store.put(ImageRef(BUCKET, key), key.encode())
    found = look(store, IMAGE)
    assert found is not None
    assert [side.key for side in found.side_files] == ["o/a.tfw", "o/a.tif.ovr"]
    assert store.listed == LISTED
    assert store.asked == ["o/a.tif", *sorted(side_keys("o/a.tif"))]


def test_only_names_that_the_page_did_not_reach_are_asked_for() -> None:
    store = AskedStore()
    for key in ("o/a.tif", "o/a.pgw", "o/a.tif.ovr", *(f"o/a.q{number:05}" for number in range(LISTED))):
        store.put(ImageRef(BUCKET, key), key.encode())
    found = look(store, IMAGE)
    assert found is not None
    assert [side.key for side in found.side_files] == ["o/a.pgw", "o/a.tif.ovr"]
    assert store.asked[1:] == [name for name in sorted(side_keys("o/a.tif")) if name > "o/a.q"]


def test_a_listing_is_read_no_further_than_the_last_possible_side_file() -> None:
    store = EndlessStore(then=3)
    store.put(IMAGE, b"x")
    assert look(store, IMAGE) is not None
    assert store.left == 2


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted({*side_keys("o/a.tif"), "o/a.tiff", "o/a.zip", "o/a.tif.xml"}))))
def test_exactly_the_side_files_that_stand_there_count(keys: set[str]) -> None:
    store = MemoryObjectStore()
    store.put(IMAGE, b"x")
    etags = {key: store.put(ImageRef(BUCKET, key), key.encode()).etag for key in keys}
    found = look(store, IMAGE)
    expected = tuple(SideFile(key, etags[key]) for key in sorted(keys & side_keys("o/a.tif")))
    assert found is not None
    assert found.side_files == expected


def test_an_image_key_is_about_itself_even_when_it_is_gone() -> None:
    assert about(MemoryObjectStore(), "o/a.tif") == ["o/a.tif"]


def test_a_side_file_of_a_whole_name_is_about_that_image_and_asks_nobody() -> None:
    assert about(EndlessStore(then=0), "o/a.tif.aux.xml") == ["o/a.tif"]
    assert about(EndlessStore(then=0), "o/readme.txt.ovr") == []


def test_a_side_file_of_a_stem_is_about_every_image_of_that_stem() -> None:
    store = MemoryObjectStore()
    for key in ("o/a.tif", "o/a.png", "o/a.b.tif", "o/ab.tif", "o/a.tfw"):
        store.put(ImageRef(BUCKET, key), b"x")
    assert about(store, "o/a.tfw") == ["o/a.png", "o/a.tif"]


def test_other_keys_are_about_nothing() -> None:
    assert about(MemoryObjectStore(), "o/a.txt") == []
    assert about(MemoryObjectStore(), "o/a.tif/") == []
