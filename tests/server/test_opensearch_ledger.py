import threading

import pytest

from batch_job.adapters.opensearch import open_client, refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.errors import AccessError, ConflictError, ErrorCode, GeometryError, SetUpError, UnavailableError
from batch_job.search.mappings import IGNORE_ABOVE, IndexNames
from batch_job.values.image import ImageRef
from batch_job.values.ledger import Seen, State
from tests.fault_proxy import fault_proxy
from tests.search_examples import HARBOUR, REFUSED_SHAPES, described, entry

pytestmark = pytest.mark.server


@pytest.fixture
def ledger(client, names):
    return OpenSearchLedger(client, names)


@pytest.fixture
def proxy(opensearch_url):
    with fault_proxy(opensearch_url) as proxy:
        yield proxy


@pytest.fixture
def faulty(proxy, names):
    client = open_client(proxy.url)
    yield OpenSearchLedger(client, names)
    client.close()


def test_an_unknown_image_has_no_entry(ledger):
    assert ledger.get(HARBOUR) is None


@pytest.mark.parametrize(
    "written",
    [
        entry(),
        entry(state=State.FAILED, error_code=ErrorCode.UNREADABLE, error="not a raster: " + "x" * 40_000),
        entry(state=State.PROCESSING, lease=None, live=None, superseded=(), described=None),
        entry(described=described(crs="x" * 40_000)),
    ],
    ids=["indexed", "failed with a long message", "first claim", "WKT over the limit of a keyword"],
)
def test_an_entry_is_read_as_it_was_written_at_once(ledger, written):
    seen = ledger.put(written, over=None)
    stored = ledger.get(HARBOUR)
    assert (stored.entry, stored.seen) == (written, seen)


def test_a_second_first_write_is_a_conflict(ledger):
    ledger.put(entry(attempts=1), over=None)
    with pytest.raises(ConflictError):
        ledger.put(entry(attempts=2), over=None)
    assert ledger.get(HARBOUR).entry.attempts == 1


def test_a_write_over_what_was_not_seen_last_is_a_conflict(ledger):
    first = ledger.put(entry(attempts=1), over=None)
    ledger.put(entry(attempts=2), over=first)
    with pytest.raises(ConflictError):
        ledger.put(entry(attempts=3), over=first)
    assert ledger.get(HARBOUR).entry.attempts == 2


def test_of_many_writers_over_the_same_exactly_one_wins(ledger):
    seen = ledger.put(entry(), over=None)
    won, lost = [], []

    def write(attempts: int) -> None:
        try:
            ledger.put(entry(attempts=attempts), over=seen)
            won.append(attempts)
        except ConflictError:
            lost.append(attempts)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert ledger.get(HARBOUR).entry.attempts == won[0]


def test_a_tombstone_is_deleted_only_as_it_was_seen(ledger):
    first = ledger.put(entry(state=State.REMOVED), over=None)
    second = ledger.put(entry(state=State.PROCESSING), over=first)
    with pytest.raises(ConflictError):
        ledger.delete(HARBOUR, over=first)
    ledger.delete(HARBOUR, over=second)
    assert ledger.get(HARBOUR) is None
    with pytest.raises(ConflictError):
        ledger.delete(HARBOUR, over=second)


def test_a_deleted_entry_cannot_be_written_over(ledger):
    seen = ledger.put(entry(state=State.REMOVED), over=None)
    ledger.delete(HARBOUR, over=seen)
    with pytest.raises(ConflictError):
        ledger.put(entry(), over=seen)


def test_entries_of_a_prefix_are_all_found_each_once(client, names, ledger):
    keys = [f"a/{n:04}.tif" for n in range(25)] + ["b/1.tif", "a"]
    for key in keys:
        ledger.put(entry(ImageRef("imagery", key)), over=None)
    ledger.put(entry(ImageRef("other", "a/1.tif")), over=None)
    refresh(client, names)
    found = sorted(stored.entry.image.key for stored in ledger.entries(bucket="imagery", prefix="a/"))
    assert found == keys[:25]
    assert len(list(ledger.entries(bucket="imagery"))) == 27


def test_an_entry_from_the_scan_can_be_written_over(client, names, ledger):
    ledger.put(entry(), over=None)
    refresh(client, names)
    (stored,) = ledger.entries(bucket="imagery")
    ledger.put(entry(attempts=9), over=stored.seen)
    assert ledger.get(HARBOUR).entry.attempts == 9


@pytest.mark.parametrize("key", ["a b/é+1%.tif", "k" * 1020 + ".tif", "ü" * 510 + ".tif", "folder/", "a\nb.tif"])
def test_any_key_of_s3_is_kept(client, names, ledger, key):
    image = ImageRef("imagery", key)
    ledger.put(entry(image), over=None)
    refresh(client, names)
    assert ledger.get(image).entry.image == image
    assert [stored.entry.image for stored in ledger.entries(bucket="imagery", prefix=key)] == [image]


@pytest.mark.parametrize("shape", REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_an_image_whose_footprint_is_refused_is_written_without_it(ledger, shape):
    seen = ledger.put(entry(described=described(footprint=shape)), over=None)
    stored = ledger.get(HARBOUR)
    assert stored.seen == seen
    assert stored.entry == entry(described=described(footprint=None))


def test_a_document_refused_for_another_reason_names_the_image_and_the_reason(ledger):
    with pytest.raises(GeometryError, match=r"s3://imagery/harbour.*answered 400.*failed to parse.*yesterday"):
        ledger.put(entry(described=described(time="yesterday")), over=None)


def test_without_the_indices_the_message_names_the_cure(client):
    nowhere = OpenSearchLedger(client, IndexNames("test-nowhere"))
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-images\].*set-up"):
        nowhere.get(HARBOUR)
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-images\].*set-up"):
        nowhere.put(entry(), over=None)
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-images\].*set-up"):
        nowhere.delete(HARBOUR, over=Seen(seq_no=0, primary_term=1))
    with pytest.raises(SetUpError, match=r"no such index \[test-nowhere-images\].*set-up"):
        list(nowhere.entries(bucket="imagery"))
    assert not client.indices.exists(index="test-nowhere-images"), "a write must never make an index"


def test_an_index_with_guessed_fields_under_the_name_of_the_alias_is_not_written_to(client, index_prefix):
    names = IndexNames(index_prefix)
    client.indices.create(index=names.images)
    with pytest.raises(SetUpError, match="is not an alias"):
        OpenSearchLedger(client, names).put(entry(), over=None)
    client.indices.delete(index=names.images)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_or_broken_server_is_unavailable_and_asked_once(proxy, faulty, status):
    proxy.fail_next(2, status=status)
    with pytest.raises(UnavailableError, match=f"reading the ledger of s3://imagery/harbour.*answered {status}"):
        faulty.get(HARBOUR)
    with pytest.raises(UnavailableError, match=f"writing the ledger of .*{status}"):
        faulty.put(entry(), over=None)
    assert len(proxy.requests) == 2, "retries are not the client's business"
    faulty.put(entry(), over=None)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_stop_loudly(proxy, faulty, status):
    body = {"error": {"type": "security_exception", "reason": "no permissions for [indices:data/read/get]"}}
    proxy.fail_next(1, status=status, body=body)
    with pytest.raises(AccessError, match="no permissions for"):
        faulty.get(HARBOUR)


def test_a_full_disk_is_no_matter_of_permissions(proxy, faulty):
    body = {"error": {"type": "cluster_block_exception", "reason": "index read-only / allow delete (api)"}}
    proxy.fail_next(1, status=403, body=body)
    with pytest.raises(UnavailableError, match="read-only"):
        faulty.put(entry(), over=None)


def test_a_proxy_that_answers_in_html_is_unavailable(proxy, faulty):
    proxy.fail_next(1, status=200, body="<html>please log in</html>")
    with pytest.raises(UnavailableError, match="what answered is not OpenSearch"):
        faulty.get(HARBOUR)


def test_a_connection_that_breaks_is_unavailable(proxy, faulty):
    proxy.drop_next(1)
    with pytest.raises(UnavailableError, match="does not answer"):
        faulty.get(HARBOUR)


def test_a_server_that_is_silent_is_unavailable(proxy, names):
    client = open_client(proxy.url, timeout_s=0.2)
    proxy.stall_next(1)
    with pytest.raises(UnavailableError, match="does not answer"):
        OpenSearchLedger(client, names).get(HARBOUR)
    client.close()


def test_a_server_that_is_down_is_unavailable(names):
    client = open_client("http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"reading the ledger of s3://imagery/harbour.*does not answer"):
        OpenSearchLedger(client, names).get(HARBOUR)
    client.close()


def test_a_write_whose_answer_is_lost_may_have_been_done(proxy, faulty, ledger):
    proxy.lose_answers_of_next(1)
    with pytest.raises(UnavailableError):
        faulty.put(entry(attempts=1), over=None)
    assert ledger.get(HARBOUR).entry.attempts == 1


def test_the_scan_closes_its_point_in_time_even_when_it_is_left_early(proxy, client, names):
    ledger = OpenSearchLedger(open_client(proxy.url), names)
    for n in range(3):
        ledger.put(entry(ImageRef("imagery", f"{n}.tif")), over=None)
    refresh(client, names)
    scan = ledger.entries(bucket="imagery")
    next(scan)
    assert not proxy.seen(method="DELETE", path_contains="point_in_time")
    scan.close()
    assert len(proxy.seen(method="DELETE", path_contains="point_in_time")) == 1
    ledger._client.close()


def test_a_keyword_over_the_limit_would_refuse_the_whole_document_without_ignore_above():
    assert IGNORE_ABOVE * 4 < 32_766
