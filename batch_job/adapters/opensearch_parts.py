"""Parts beside the indices that a server may have or not: the security plugin, Dashboards."""

from collections.abc import Iterator
from contextlib import contextmanager

import opensearchpy

from batch_job.adapters.opensearch import as_ours, read_error
from batch_job.errors import InputError, SetUpError

NO_HANDLER = "no handler found for uri"
"""How a server without a plugin answers the plugin's address; seen on 3.6.0."""


@contextmanager
def as_set_up(doing: str) -> Iterator[None]:
    """Turn what the client raises into our errors; what would be a bad document elsewhere is a bad set-up here."""
    try:
        with as_ours(doing):
            yield
    except InputError as error:
        raise SetUpError(str(error)) from error


def is_absent(error: opensearchpy.TransportError) -> bool:
    """Tell whether the server has no such part at all."""
    return error.status_code == 400 and read_error(error.info)[1].startswith(NO_HANDLER)
