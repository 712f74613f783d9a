"""Reading on after the point in time has gone, on a real server."""

import json

import pytest

from batch_job.adapters.opensearch import open_client, refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.opensearch_pages import pages
from batch_job.errors import UnavailableError
from batch_job.search.queries import BY_ID, images_under
from batch_job.values.image import ImageRef
from tests.fault_proxy import fault_proxy
from tests.search_examples import entry

pytestmark = pytest.mark.server

KEYS = [f"{n}.tif" for n in range(5)]


@pytest.fixture
def proxy(opensearch_url):
    with fault_proxy(opensearch_url) as proxy:
        yield proxy


@pytest.fixture
def scan(proxy, client, names):
    """Five entries, two a page."""
    for key in KEYS:
        OpenSearchLedger(client, names).put(entry(ImageRef("imagery", key)), over=None)
    refresh(client, names)
    watched = open_client(proxy.url)
    scan = pages(watched, names.images, images_under("imagery", ""), order=BY_ID, size=2)
    yield scan
    scan.close()
    watched.close()


def end_point_in_time(proxy, client):
    """Do what five minutes of silence do."""
    last = proxy.seen(method="POST", path_contains="_search?")[-1]
    client.delete_pit(body={"pit_id": [json.loads(last.body)["pit"]["id"]]})


def keys_of(hits):
    return [hit["_source"]["key"] for hit in hits]


def test_a_point_in_time_that_ran_out_between_pages_is_opened_again(proxy, client, scan):
    found = keys_of(next(scan))
    end_point_in_time(proxy, client)
    found += keys_of(next(scan))
    end_point_in_time(proxy, client)
    for hits in scan:
        found += keys_of(hits)
    assert sorted(found) == KEYS
    assert len(proxy.seen(method="POST", path_contains="point_in_time")) == 3
    assert len(proxy.seen(method="DELETE", path_contains="point_in_time")) == 1


def test_what_is_written_before_it_is_opened_again_is_found_in_its_place(proxy, client, names, scan):
    found = keys_of(next(scan))
    late = [ImageRef("imagery", f"late/{n}.tif") for n in range(20)]
    for image in late:
        OpenSearchLedger(client, names).put(entry(image), over=None)
    refresh(client, names)
    end_point_in_time(proxy, client)
    read = max(ImageRef("imagery", key).id for key in found)
    for hits in scan:
        found += keys_of(hits)
    assert sorted(found) == sorted(KEYS + [image.key for image in late if image.id > read])


def test_one_that_is_gone_as_soon_as_it_is_opened_is_an_error(proxy, scan):
    missing = {"error": {"type": "search_context_missing_exception", "reason": "No search context found"}}
    next(scan)
    proxy.fail_next(2, status=404, path_contains="_search?", body=missing)
    with pytest.raises(UnavailableError, match="No search context found"):
        next(scan)
