import pytest

from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.search.mappings import IndexNames
from batch_job.wiring.set_up_search import Wanted, set_up_search
from tests.search_examples import HARBOUR, entry

pytestmark = pytest.mark.server


@pytest.fixture
def names(client, index_prefix):
    names = IndexNames(index_prefix)
    yield names
    for alias in (names.images, names.labels):
        client.indices.delete(index=names.behind(alias))


def test_a_second_set_up_keeps_what_the_first_made_and_what_was_written_since(client, opensearch_url, names):
    wanted = Wanted(index_url=opensearch_url, index_prefix=names.prefix, shards=2)
    left_out = set_up_search(wanted)
    OpenSearchLedger(client, names).put(entry(), over=None)

    assert set_up_search(wanted) == left_out
    assert OpenSearchLedger(client, names).get(HARBOUR).entry == entry()
    for alias in (names.images, names.labels):
        [index] = client.indices.get_settings(index=alias).values()
        assert index["settings"]["index"]["number_of_shards"] == "2"


def test_indices_are_emptied_once_for_each_text_and_can_be_written_again(client, opensearch_url, names):
    set_up_search(Wanted(index_url=opensearch_url, index_prefix=names.prefix))
    ledger = OpenSearchLedger(client, names)
    ledger.put(entry(), over=None)
    client.indices.delete(index=names.behind(names.labels))
    # the last as when a deployment is rolled back to one that had asked; an ordinary one comes in between
    for rebuild, emptied in (("monday", True), ("monday", False), ("friday", True), ("", False), ("monday", False)):
        set_up_search(Wanted(index_url=opensearch_url, index_prefix=names.prefix, rebuild=rebuild))
        assert (ledger.get(HARBOUR) is None) is emptied
        if emptied:
            ledger.put(entry(), over=None)


def test_this_server_has_neither_access_control_nor_dashboards_and_the_set_up_says_so(opensearch_url, names):
    left_out = set_up_search(Wanted(index_url=opensearch_url, index_prefix=names.prefix))
    assert [one.what for one in left_out] == ["roles", "objects.ndjson"]
