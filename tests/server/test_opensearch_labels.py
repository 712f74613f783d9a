import pytest
from structlog.testing import capture_logs

from batch_job.adapters.opensearch import open_client
from batch_job.adapters.opensearch_labels import MAX_BODY_BYTES, MAX_DOCUMENTS, RETRIES, OpenSearchLabelIndex
from batch_job.errors import AccessError, GeometryError, LateError, SetUpError, UnavailableError
from batch_job.search.mappings import IndexNames
from batch_job.values.documents import LabelDocument, label_id
from batch_job.values.ledger import LabelSet
from tests.fault_proxy import Answer, fault_proxy
from tests.search_examples import HARBOUR, REFUSED_SHAPES, label, ring

pytestmark = pytest.mark.server

NOON_MS = 1_790_000_000_000
LATER_MS = NOON_MS + 3_600_000


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = NOON_MS

    def now_ms(self) -> int:
        return self.now

    def reading_age_ms(self) -> int:
        return 0

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def index(client, names, clock):
    return OpenSearchLabelIndex(client, names, clock, sleep=clock.sleep)


@pytest.fixture
def proxy(opensearch_url):
    with fault_proxy(opensearch_url) as proxy:
        yield proxy


@pytest.fixture
def faulty(proxy, names, clock):
    client = open_client(proxy.url)
    yield OpenSearchLabelIndex(client, names, clock, sleep=clock.sleep)
    client.close()


@pytest.fixture
def stored(client, names):
    """What the index holds, by ordinal."""

    def read() -> dict[int, LabelDocument]:
        client.indices.refresh(index=names.labels)
        hits = client.search(index=names.labels, body={"size": 10_000})["hits"]["hits"]
        for hit in hits:
            assert hit["_id"] == hit["_source"]["id"]
        return {hit["_source"]["ordinal"]: LabelDocument.from_source(hit["_source"]) for hit in hits}

    return read


def test_labels_are_read_as_they_were_written(index, stored):
    labels = [label(n) for n in range(5)] + [label(5, geometry=None, center=None, area_m2=None, length_m=None)]
    index.write(labels, until_ms=LATER_MS)
    assert stored() == dict(enumerate(labels))


def test_writing_twice_overwrites(index, stored):
    index.write([label(0), label(1)], until_ms=LATER_MS)
    index.write([label(0, confidence=55.5)], until_ms=LATER_MS)
    assert {ordinal: found.confidence for ordinal, found in stored().items()} == {0: 55.5, 1: 91.5}


def test_no_labels_make_no_request(proxy, faulty):
    faulty.write([], until_ms=LATER_MS)
    faulty.delete(HARBOUR, LabelSet(epoch=1, count=0))
    assert proxy.requests == []


def test_requests_are_bounded_in_documents_and_bytes(proxy, faulty, stored):
    labels = [label(n) for n in range(MAX_DOCUMENTS + 1)]
    labels += [label(MAX_DOCUMENTS + 1 + n, model_version="y" * 60_000) for n in range(100)]
    faulty.write(iter(labels), until_ms=LATER_MS)
    bodies = [request.body for request in proxy.seen(path_contains="_bulk")]
    assert max(map(len, bodies)) <= MAX_BODY_BYTES
    assert len(bodies[0].splitlines()) // 2 == MAX_DOCUMENTS
    assert len(bodies) == 3
    assert len(stored()) == len(labels)


def test_labels_are_deleted_by_id_and_those_of_other_epochs_stay(index, stored):
    index.write([label(n, epoch=1) for n in range(3)], until_ms=LATER_MS)
    index.write([label(10 + n, epoch=2) for n in range(2)], until_ms=LATER_MS)
    index.delete(HARBOUR, LabelSet(epoch=1, count=3))
    assert sorted(stored()) == [10, 11]


def test_deleting_what_is_not_there_is_no_error(index, stored):
    index.write([label(1)], until_ms=LATER_MS)
    index.delete(HARBOUR, LabelSet(epoch=1, count=3000))
    index.delete(HARBOUR, LabelSet(epoch=1, count=3000))
    assert stored() == {}


@pytest.mark.parametrize("shape", REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_a_refused_geometry_is_left_out_logged_and_harms_no_neighbour(index, stored, shape):
    with capture_logs() as logs:
        index.write([label(0), label(1, geometry=shape), label(2)], until_ms=LATER_MS)
    found = stored()
    assert found[1] == label(1, geometry=None)
    assert (found[0], found[2]) == (label(0), label(2))
    (line,) = logs
    assert line["event"] == "index.geometry_refused"
    assert "label 'Boat' no. 1 of s3://imagery/harbour" in line["label"]


def test_a_document_refused_for_good_names_label_image_and_reason_and_its_neighbours_are_written(index, stored):
    message = r"label 'Boat' no. 1 of s3://imagery/harbour/.*answered 400.*failed to parse field \[time\].*yesterday"
    with pytest.raises(GeometryError, match=message):
        index.write([label(0), label(1, time="yesterday", geometry=None), label(2)], until_ms=LATER_MS)
    with pytest.raises(GeometryError, match=message):
        index.write([label(1, time="yesterday")], until_ms=LATER_MS)
    assert sorted(stored()) == [0, 2]


def test_labels_with_more_text_than_a_keyword_holds_are_written(index, stored):
    index.write([label(0, label="x" * 40_000, terms=("x" * 40_000,), model_version="y" * 40_000)], until_ms=LATER_MS)
    assert len(stored()[0].label) == 40_000


def test_only_what_the_index_had_no_room_for_is_sent_again(proxy, faulty, stored):
    proxy.fail_items_of_next(1, status=429, which=lambda place: place % 2 == 1)
    proxy.fail_items_of_next(1, status=503, which=lambda place: place == 0)
    faulty.write([label(n) for n in range(6)], until_ms=LATER_MS)
    sent = [[line["ordinal"] for line in request.lines[1::2]] for request in proxy.seen(path_contains="_bulk")]
    assert sent == [[0, 1, 2, 3, 4, 5], [1, 3, 5], [1]]
    assert sorted(stored()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_the_index_had_no_room_for_is_sent_again_whole(proxy, faulty, stored, clock, status):
    proxy.fail_next(3, status=status, path_contains="_bulk")
    faulty.write([label(0), label(1)], until_ms=LATER_MS)
    assert len(proxy.seen(path_contains="_bulk")) == 4
    assert sorted(stored()) == [0, 1]
    assert 1_750 <= clock.now - NOON_MS <= 3_500, "half to all of 0.5 + 1 + 2 s"


def test_no_room_for_minutes_is_unavailable(proxy, faulty, clock):
    proxy.fail_next(RETRIES + 1, status=429, path_contains="_bulk")
    with pytest.raises(UnavailableError, match=r"no room for 1 documents after 10 retries: 429 played 429"):
        faulty.write([label(0)], until_ms=LATER_MS)
    assert len(proxy.seen(path_contains="_bulk")) == RETRIES + 1
    assert clock.now - NOON_MS < 130_000


def test_nothing_is_sent_after_the_limit_of_time(proxy, faulty, clock):
    clock.now = LATER_MS + 1
    with pytest.raises(LateError, match="1 ms too late"):
        faulty.write([label(0)], until_ms=LATER_MS)
    assert proxy.requests == []


def test_retries_stop_at_the_limit_of_time(proxy, faulty):
    proxy.fail_next(100, status=429, path_contains="_bulk")
    with pytest.raises(LateError):
        faulty.write([label(0)], until_ms=NOON_MS + 2_000)
    assert 2 <= len(proxy.seen(path_contains="_bulk")) <= 5


def test_a_delete_is_never_late(index, stored, clock):
    index.write([label(0)], until_ms=LATER_MS)
    clock.now = LATER_MS + 10**9
    index.delete(HARBOUR, LabelSet(epoch=1, count=1))
    assert stored() == {}


def test_a_delete_is_complete_or_fails(proxy, faulty, index, stored):
    index.write([label(n) for n in range(4)], until_ms=LATER_MS)
    proxy.fail_items_of_next(2, status=429, which=lambda place: place == 0)
    faulty.delete(HARBOUR, LabelSet(epoch=1, count=4))
    assert stored() == {}
    again = [line["delete"]["_id"] for line in proxy.seen(path_contains="_bulk")[-1].lines]
    assert again == [label_id(HARBOUR, epoch=1, ordinal=0)]
    proxy.fail_items_of_next(1, status=500, which=lambda place: place == 1)
    with pytest.raises(UnavailableError, match=r"a label of s3://imagery/harbour.*answered 500"):
        faulty.delete(HARBOUR, LabelSet(epoch=1, count=4))


def test_a_request_too_large_for_the_server_is_halved(proxy, faulty, stored):
    def refuse_over_two(request, upstream):
        if len(request.lines) > 4:
            return Answer(413, {"Content-Type": "text/plain"}, b"")
        return upstream(request)

    proxy.change_next(100, refuse_over_two, path_contains="_bulk")
    faulty.write([label(n) for n in range(7)], until_ms=LATER_MS)
    assert sorted(stored()) == list(range(7))


def test_a_geometry_the_server_would_work_on_for_minutes_is_left_out(index, stored):
    endless = ring(*[(10 + n / 1_000_000, 50.0 + (n % 2) / 10_000) for n in range(100_000)], (10.2, 51.0))
    with capture_logs() as logs:
        index.write([label(0), label(1, geometry=endless)], until_ms=LATER_MS)
    assert stored() == {0: label(0), 1: label(1, geometry=None)}
    (line,) = logs
    assert line["event"] == "index.geometry_refused"
    assert line["error"].endswith("bytes are too many to index")


def test_a_single_label_too_large_for_the_server_loses_its_geometry(proxy, faulty, stored):
    proxy.fail_next(1, status=413, path_contains="_bulk")
    faulty.write([label(0)], until_ms=LATER_MS)
    assert stored() == {0: label(0, geometry=None)}


def test_without_the_index_the_message_names_the_cure(client, clock):
    nowhere = OpenSearchLabelIndex(client, IndexNames("test-nowhere"), clock)
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-labels\].*set-up"):
        nowhere.write([label(0)], until_ms=LATER_MS)
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-labels\].*set-up"):
        nowhere.delete(HARBOUR, LabelSet(epoch=1, count=1))
    assert not client.indices.exists(index="test-nowhere-labels")


def test_an_index_with_guessed_fields_under_the_name_of_the_alias_is_not_written_to(client, index_prefix, clock):
    names = IndexNames(index_prefix)
    client.indices.create(index=names.labels)
    with pytest.raises(SetUpError, match="is not an alias"):
        OpenSearchLabelIndex(client, names, clock).write([label(0)], until_ms=LATER_MS)
    client.indices.delete(index=names.labels)


def test_an_index_older_than_this_code_is_no_fault_of_the_image(client, names, index, clock):
    alias = IndexNames(f"{names.prefix}-old").labels
    body = {"mappings": {"dynamic": "strict", "properties": {"id": {"type": "keyword"}}}, "aliases": {alias: {}}}
    client.indices.create(index=f"{alias}-v0", body=body)
    with pytest.raises(SetUpError, match=r"introduction of .* is not allowed"):
        OpenSearchLabelIndex(client, IndexNames(f"{names.prefix}-old"), clock).write([label(0)], until_ms=LATER_MS)
    client.indices.delete(index=f"{alias}-v0")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_broken_server_is_unavailable_at_once(proxy, faulty, status):
    proxy.fail_next(1, status=status, path_contains="_bulk")
    with pytest.raises(UnavailableError, match=rf"writing 1 documents to .*-labels: OpenSearch answered {status}"):
        faulty.write([label(0)], until_ms=LATER_MS)
    assert len(proxy.requests) == 1


def test_a_connection_that_breaks_in_the_middle_leaves_the_first_part_written(proxy, faulty, stored):
    proxy.change_next(1, lambda request, upstream: upstream(request), path_contains="_bulk")
    proxy.drop_next(1, path_contains="_bulk")
    with pytest.raises(UnavailableError, match="does not answer"):
        faulty.write([label(n) for n in range(MAX_DOCUMENTS + 5)], until_ms=LATER_MS)
    assert len(stored()) == MAX_DOCUMENTS


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_stop_loudly(proxy, faulty, status):
    proxy.fail_next(1, status=status, path_contains="_bulk")
    with pytest.raises(AccessError, match="may this identity"):
        faulty.write([label(0)], until_ms=LATER_MS)


def test_a_permission_missing_for_one_document_stops_loudly(proxy, faulty):
    proxy.fail_items_of_next(1, status=403, which=lambda place: place == 0, kind="security_exception")
    with pytest.raises(AccessError, match=r"label 'Boat' no\. 0"):
        faulty.write([label(0), label(1)], until_ms=LATER_MS)
