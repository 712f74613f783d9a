import itertools
import json
import random

import pytest
import shapely
from shapely.geometry import Point, box, shape

from batch_job.adapters.opensearch import create_indices, open_client, refresh
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.opensearch_search import OpenSearchSearch
from batch_job.errors import SetUpError, UnavailableError
from batch_job.search.mappings import IndexNames
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, State
from batch_job.values.place import LonLat
from batch_job.values.query import LabelQuery, LonLatBox, Near
from tests.fault_proxy import fault_proxy
from tests.search_examples import HARBOUR, described, entry, label, square

pytestmark = pytest.mark.server

FAR = 10**15
CARS = ImageRef("imagery", "parking/cars?.tif")


class Clock:
    def now_ms(self) -> int:
        return 0

    def reading_age_ms(self) -> int:
        return 0


EXAMPLES = {
    "boat": label(0),
    "long boat": label(
        1, confidence=99.0, length_m=40.0, geometry=square(10.2, 54.0), center=LonLat(lon=10.2, lat=54.0)
    ),
    "without length": label(2, confidence=70.0, length_m=None, geometry=None, center=LonLat(10.4, 54.0)),
    "without place": label(3, confidence=56.0, geometry=None, center=None, area_m2=None, length_m=None),
    "car": label(
        0,
        image=CARS,
        label="Car",
        terms=("Car", "Vehicle", "Automobile"),
        confidence=80.0,
        geometry=square(179.9999, -17.0, side=0.0001),
        center=LonLat(179.9999, -17.0),
        time="2020-01-01T00:00:00Z",
    ),
    "pool": label(
        1,
        image=CARS,
        label="Swimming Pool",
        terms=("Swimming Pool", "Water"),
        categories=("Home and Indoors",),
        confidence=75.0,
        geometry=square(-179.9, -17.0),
        center=LonLat(-179.9, -17.0),
        time="2020-01-01T00:00:00Z",
    ),
}


@pytest.fixture(scope="module")
def search(client, shared_names):
    ledger = OpenSearchLedger(client, shared_names)
    ledger.put(entry(HARBOUR, live=LabelSet(epoch=1, count=4)), over=None)
    ledger.put(entry(CARS, live=LabelSet(epoch=1, count=2), described=described(CARS)), over=None)
    OpenSearchLabelIndex(client, shared_names, Clock()).write(EXAMPLES.values(), until_ms=FAR)
    refresh(client, shared_names)
    return OpenSearchSearch(client, shared_names)


NAMES = {document.id: name for name, document in EXAMPLES.items()}


def names_of(found):
    return [NAMES[document.id] for document in found]


def test_all_labels_come_back_whole_the_most_confident_first(search):
    by_confidence = sorted(EXAMPLES.values(), key=lambda one: -one.confidence)
    assert list(search.search(LabelQuery())) == by_confidence


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (LabelQuery(label="Car"), {"car"}),
        (LabelQuery(label="swimming pool"), {"pool"}),
        (LabelQuery(label="Vehicle"), {"boat", "long boat", "without length", "without place", "car"}),
        (LabelQuery(label="Pool"), set()),
        (LabelQuery(text="pool"), {"pool"}),
        (LabelQuery(text="WATER swimming"), {"pool"}),
        (LabelQuery(text="pool home"), {"pool"}),
        (LabelQuery(text="pool boat"), set()),
        (LabelQuery(text="boats-0"), {"boat", "long boat", "without length", "without place"}),
        (LabelQuery(text="parking/"), {"car", "pool"}),
        (LabelQuery(text="cars?"), {"car", "pool"}),
        (LabelQuery(text="bo?ts"), set()),
        (LabelQuery(text="*"), set()),
        (LabelQuery(min_confidence=80), {"boat", "long boat", "car"}),
        (LabelQuery(min_length_m=18.25), {"boat", "long boat", "car", "pool"}),
        (LabelQuery(min_length_m=18.26), {"long boat"}),
        (LabelQuery(image="s3://imagery/parking/cars?.tif"), {"car", "pool"}),
        (LabelQuery(image="parking/cars?.tif"), {"car", "pool"}),
        (LabelQuery(image="parking/cars"), set()),
        (LabelQuery(since="2026-05-17T10:20:30Z"), {"boat", "long boat", "without length", "without place"}),
        (LabelQuery(until="2026-05-17T10:20:30Z"), {"car", "pool"}),
        (LabelQuery(since="2020-01-01", until="2020-01-02"), {"car", "pool"}),
        (LabelQuery(within=LonLatBox(west=10.1, south=53.9, east=10.3, north=54.1)), {"long boat"}),
        (LabelQuery(within=LonLatBox(west=10.3, south=53.9, east=10.5, north=54.1)), {"without length"}),
        (LabelQuery(within=LonLatBox(west=10.0004, south=53.9, east=10.1, north=54.1)), {"boat"}),
        (LabelQuery(within=LonLatBox(west=179, south=-18, east=-179, north=-16)), {"car", "pool"}),
        (LabelQuery(within=LonLatBox(west=179, south=-18, east=-179.95, north=-16)), {"car"}),
        (
            LabelQuery(within=LonLatBox(west=-179, south=-18, east=179, north=60)),
            {"boat", "long boat", "without length"},
        ),
        (
            LabelQuery(within=LonLatBox(west=-180, south=-90, east=180, north=90)),
            {"boat", "long boat", "without length", "car", "pool"},
        ),
        (LabelQuery(near=Near(position=LonLat(10.0, 54.0), radius_m=10)), {"boat"}),
        (LabelQuery(near=Near(position=LonLat(10.1, 54.0), radius_m=6_600)), {"boat", "long boat"}),
        (LabelQuery(near=Near(position=LonLat(180.0, -17.0), radius_m=20_000)), {"car", "pool"}),
        (
            LabelQuery(
                area={"type": "Polygon", "coordinates": [[[10.1, 53], [11, 53], [11, 55], [10.1, 55], [10.1, 53]]]}
            ),
            {"long boat", "without length"},
        ),
        (LabelQuery(label="boat", min_confidence=60, min_length_m=20, text="harbour"), {"long boat"}),
    ],
    ids=str,
)
def test_conditions_find_what_they_say(search, query, expected):
    found = names_of(search.search(query))
    assert set(found) == expected
    assert len(found) == len(set(found))


def test_a_limit_gives_the_most_confident(search):
    assert names_of(search.search(LabelQuery(limit=2))) == ["long boat", "boat"]


def test_images_come_by_key_with_what_is_known_of_them(search):
    assert [one.image for one in search.images("imagery")] == [HARBOUR, CARS]
    (harbour,) = search.images("imagery", "harbour/")
    assert harbour.described == described()
    assert list(search.images("imagery", "none")) == []


def test_random_boxes_and_circles_find_what_shapely_finds(client, names):
    rng = random.Random(7)
    labels = [
        label(n, geometry=square(lon, lat, side=rng.uniform(0.001, 0.2)), center=LonLat(lon, lat))
        for n in range(400)
        for lon, lat in [(rng.uniform(-1, 1), rng.uniform(50, 52))]
    ]
    OpenSearchLedger(client, names).put(entry(live=LabelSet(epoch=1, count=400)), over=None)
    OpenSearchLabelIndex(client, names, Clock()).write(labels, until_ms=FAR)
    refresh(client, names)
    search = OpenSearchSearch(client, names)
    shapes = [shape(one.geometry.to_geojson()) for one in labels]
    for _ in range(10):
        west, south = rng.uniform(-1, 0.5), rng.uniform(50, 51.5)
        bounds = (west, south, west + rng.uniform(0.01, 1), south + rng.uniform(0.01, 1))
        query = LabelQuery(within=LonLatBox(west=bounds[0], south=bounds[1], east=bounds[2], north=bounds[3]))
        expected = {n for n, one in enumerate(shapes) if one.intersects(box(*bounds))}
        assert {one.ordinal for one in search.search(query)} == expected
        circle = Point(west, south).buffer(0.3)
        query = LabelQuery(area=shapely.geometry.mapping(circle))
        assert {one.ordinal for one in search.search(query)} == {
            n for n, one in enumerate(shapes) if one.intersects(circle)
        }


@pytest.mark.parametrize("live", [None, LabelSet(epoch=2, count=1), LabelSet(epoch=3, count=0)], ids=str)
def test_labels_of_other_epochs_than_the_live_one_are_left_out_at_once(client, names, live):
    OpenSearchLabelIndex(client, names, Clock()).write([label(0, epoch=1), label(0, epoch=2)], until_ms=FAR)
    ledger = OpenSearchLedger(client, names)
    seen = ledger.put(entry(live=LabelSet(epoch=1, count=1)), over=None)
    refresh(client, names)
    search = OpenSearchSearch(client, names)
    assert [one.epoch for one in search.search(LabelQuery())] == [1]
    state = State.REMOVED if live is None else State.INDEXED
    ledger.put(entry(live=live, state=state), over=seen)
    expected = [2] if live == LabelSet(epoch=2, count=1) else []
    assert [one.epoch for one in search.search(LabelQuery())] == expected, "without any refresh"


def test_labels_without_an_image_are_left_out(client, names):
    OpenSearchLabelIndex(client, names, Clock()).write([label(0)], until_ms=FAR)
    refresh(client, names)
    assert list(OpenSearchSearch(client, names).search(LabelQuery())) == []


@pytest.fixture(scope="module")
def many(client):
    """12,345 labels of 5 images, many with the same confidence; every seventh of a dead epoch."""
    names = IndexNames("test-many")
    create_indices(client, names)
    images = [ImageRef("imagery", f"{n}.tif") for n in range(5)]
    ledger = OpenSearchLedger(client, names)
    for image in images:
        ledger.put(entry(image, live=LabelSet(epoch=2, count=1)), over=None)
    labels = (
        label(n, image=images[n % 5], epoch=1 if n % 7 == 0 else 2, confidence=50 + n % 50, geometry=None)
        for n in range(12_345)
    )
    OpenSearchLabelIndex(client, names, Clock()).write(labels, until_ms=FAR)
    refresh(client, names)
    yield names
    client.indices.delete(index=",".join(names.behind(alias) for alias in (names.images, names.labels)))


def test_more_hits_than_a_result_window_are_streamed_each_once_in_order(client, many):
    found = [(one.confidence, one.ordinal) for one in OpenSearchSearch(client, many).search(LabelQuery())]
    assert sorted(ordinal for _, ordinal in found) == [n for n in range(12_345) if n % 7]
    assert all(before[0] >= after[0] for before, after in itertools.pairwise(found))


def test_a_limit_counts_hits_that_are_left_not_hits_that_are_dropped(client, many):
    assert len(list(OpenSearchSearch(client, many).search(LabelQuery(limit=3000)))) == 3000


def test_a_search_left_early_reads_one_page_and_closes_its_point_in_time(opensearch_url, many):
    with fault_proxy(opensearch_url) as proxy:
        client = open_client(proxy.url)
        for _label in OpenSearchSearch(client, many).search(LabelQuery(limit=10)):
            pass
        found = OpenSearchSearch(client, many).search(LabelQuery())
        next(found)
        del found
        assert len(proxy.seen(path_contains="/_search?")) == 2
        assert len(proxy.seen(path_contains="_mget")) == 2
        assert len(proxy.seen(method="DELETE", path_contains="point_in_time")) == 2
        client.close()


def test_labels_deleted_meanwhile_neither_shift_nor_break_the_pages(client, many):
    found = OpenSearchSearch(client, many).search(LabelQuery(image="0.tif"))
    first = next(found)
    OpenSearchLabelIndex(client, many, Clock()).delete(ImageRef("imagery", "0.tif"), LabelSet(epoch=2, count=1))
    refresh(client, many)
    assert len({first.id} | {one.id for one in found}) == len([n for n in range(0, 12_345, 5) if n % 7])


@pytest.mark.parametrize("status", [429, 503])
def test_a_failure_in_the_middle_of_a_search_is_unavailable(opensearch_url, many, status):
    with fault_proxy(opensearch_url) as proxy:
        client = open_client(proxy.url)
        found = OpenSearchSearch(client, many).search(LabelQuery())
        first = [next(found) for _ in range(100)]
        proxy.fail_next(1, status=status, path_contains="/_search?")
        with pytest.raises(UnavailableError, match=f"searching test-many-labels: OpenSearch answered {status}"):
            list(found)
        assert len(first) == 100
        assert len(proxy.seen(method="DELETE", path_contains="point_in_time")) == 1
        client.close()


def test_a_search_goes_on_after_its_point_in_time_ran_out(opensearch_url, client, many):
    with fault_proxy(opensearch_url) as proxy:
        slow = open_client(proxy.url)
        found = OpenSearchSearch(slow, many).search(LabelQuery())
        first = next(found)
        client.delete_pit(body={"pit_id": [proxy_pit(proxy)]})
        ids = [first.id, *(one.id for one in found)]
        slow.close()
    assert ids == [one.id for one in OpenSearchSearch(client, many).search(LabelQuery())]


def proxy_pit(proxy):
    (request, *_) = proxy.seen(path_contains="/_search?")
    return json.loads(request.body)["pit"]["id"]


def test_without_the_indices_the_message_names_the_cure(client):
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-labels\].*set-up"):
        list(OpenSearchSearch(client, IndexNames("test-nowhere")).search(LabelQuery()))


def test_making_the_indices_twice_changes_nothing(client, names):
    before = client.indices.get(index=f"{names.prefix}-*")
    create_indices(client, names)
    assert client.indices.get(index=f"{names.prefix}-*") == before
    assert sorted(before) == sorted([names.behind(names.images), names.behind(names.labels)])


@pytest.mark.parametrize("lost", ["images", "labels"])
def test_half_of_what_belongs_together_is_refused_unless_it_is_empty(client, index_prefix, lost):
    names = IndexNames(index_prefix)
    create_indices(client, names)
    gone = names.behind(getattr(names, lost))
    client.indices.delete(index=gone)
    create_indices(client, names)  # nothing was in the other one
    client.indices.delete(index=gone)
    kept = names.behind(names.labels if lost == "images" else names.images)
    client.index(index=kept, body={"id": "x"}, refresh=True)
    with pytest.raises(SetUpError, match=f"the index {gone} is gone, and {kept} alone is of no use: delete it too"):
        create_indices(client, names)
    client.indices.delete(index=kept)


def test_an_older_index_gets_the_fields_it_lacks(client, index_prefix):
    names = IndexNames(index_prefix)
    body = {"mappings": {"dynamic": "strict", "properties": {"id": {"type": "keyword", "ignore_above": 8191}}}}
    client.indices.create(index=names.behind(names.images), body=body)
    create_indices(client, names)
    OpenSearchLedger(client, names).put(entry(), over=None)
    client.indices.delete(index=f"{names.behind(names.images)},{names.behind(names.labels)}")


def test_a_field_of_another_type_is_named(client, index_prefix):
    names = IndexNames(index_prefix)
    client.indices.create(
        index=names.behind(names.images), body={"mappings": {"properties": {"epoch": {"type": "text"}}}}
    )
    with pytest.raises(SetUpError, match=r"-images-v1 cannot be used: mapper \[epoch\]"):
        create_indices(client, names)
    client.indices.delete(index=names.behind(names.images))


def test_an_index_under_the_name_of_the_alias_is_named(client, index_prefix):
    names = IndexNames(index_prefix)
    client.indices.create(index=names.labels)
    with pytest.raises(SetUpError, match=r"an index exists with the same name as the alias"):
        create_indices(client, names)
    client.indices.delete(index=f"{names.labels},{names.behind(names.images)}")
