"""The searcher's wiring: no pixels, no buckets."""

from batch_job.adapters.opensearch import open_client
from batch_job.adapters.opensearch_search import OpenSearchSearch
from batch_job.adapters.signing import auth_for
from batch_job.errors import SettingsError
from batch_job.search.mappings import IndexNames
from batch_job.wiring.endpoints import Endpoints


def open_search(endpoints: Endpoints) -> OpenSearchSearch:
    """Connect to the index.

    Raises:
        SettingsError: no address was given.
    """
    if endpoints.index_url is None:
        raise SettingsError("say where the index is: --stack NAME, --index URL (or BACKFILL_INDEX_URL), or --local")
    auth = auth_for(endpoints.index_url, region=endpoints.region, session=endpoints.session)
    return OpenSearchSearch(open_client(endpoints.index_url, http_auth=auth), IndexNames(endpoints.index_prefix))
