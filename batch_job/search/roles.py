"""Who may do what with the two indices, as roles of OpenSearch's fine-grained access control."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_job.search.mappings import IndexNames

DASHBOARDS_USER = "opensearch_dashboards_user"
"""The built-in role that lets a person into Dashboards and into the tenant that all share."""

_SEARCHING = (
    "indices:data/read/search*",
    "indices:data/read/point_in_time/create",
    "indices:data/read/point_in_time/delete",
)
_BY_ID = ("indices:data/read/get", "indices:data/read/mget*")
_CHANGING = ("indices:data/write/index", "indices:data/write/delete", "indices:data/write/bulk*")
_LOOKING_AROUND = ("read", "indices:admin/get", "indices:admin/mappings/get")
"""What Dashboards asks of an index pattern; ``read`` is an action group of the security plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """ARNs of the IAM roles that may in; each kind may do no more than it needs."""

    writers: tuple[str, ...] = ()
    """Workers: read and write documents, and nothing of the indices themselves."""
    readers: tuple[str, ...] = ()
    """Programs that only look, as the planner."""
    people: tuple[str, ...] = ()
    """Of people who sign in to Dashboards: they read the indices, and change what Dashboards shows them."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role of ours, and whose it is."""

    name: str
    body: Mapping[str, Any]
    backend_roles: tuple[str, ...]
    """ARNs of IAM roles: OpenSearch Service passes the caller's as a backend role."""


def roles(names: IndexNames, access: Access) -> tuple[Role, ...]:
    """Give the roles of one pair of indices; they grant nothing on any other index."""
    write = _body(
        names, cluster=("indices:data/write/bulk", "indices:data/read/mget"), index=_SEARCHING + _BY_ID + _CHANGING
    )
    read = _body(names, cluster=("cluster_composite_ops_ro",), index=_LOOKING_AROUND)
    return (
        Role(f"{names.prefix}-writer", write, access.writers),
        Role(f"{names.prefix}-reader", read, tuple(dict.fromkeys(access.readers + access.people))),
    )


def _body(names: IndexNames, *, cluster: tuple[str, ...], index: tuple[str, ...]) -> Mapping[str, Any]:
    # a request by alias is checked by the names of the indices behind it, of whichever version
    patterns = [pattern for alias in (names.images, names.labels) for pattern in (alias, f"{alias}-v*")]
    return {
        "cluster_permissions": list(cluster),
        "index_permissions": [{"index_patterns": patterns, "allowed_actions": list(index)}],
    }
