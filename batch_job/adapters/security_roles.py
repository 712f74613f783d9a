"""Roles and role mappings through the security plugin's API; doing it again changes nothing."""

from collections.abc import Iterable

import opensearchpy
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch_parts import as_set_up, is_absent
from batch_job.search.mappings import IndexNames
from batch_job.search.roles import DASHBOARDS_USER, Access, Role, roles
from batch_job.values.set_up import LeftOut


def put_roles(client: OpenSearch, names: IndexNames, access: Access) -> tuple[LeftOut, ...]:
    """Make our roles, and say whose they are.

    Our own roles hold exactly whom ``access`` names. To the built-in Dashboards role, which others may use too, members
    are only added.

    Returns:
        Nothing; or that there are no roles, on a server without the security plugin.

    Raises:
        AccessError: we are not among those who may change roles.
        SetUpError: a role is refused.
        UnavailableError: nobody answers.
    """
    with as_set_up(f"making the roles of {names.prefix}"):
        try:
            for role in roles(names, access):
                _put(client, role)
            _add_members(client, DASHBOARDS_USER, access.people)
        except opensearchpy.RequestError as error:
            if is_absent(error):
                return (LeftOut("roles", "the server has no security plugin: whoever reaches it may do everything"),)
            raise
    return ()


def _put(client: OpenSearch, role: Role) -> None:
    client.security.create_role(role=role.name, body=dict(role.body))
    client.security.create_role_mapping(role=role.name, body={"backend_roles": list(role.backend_roles)})


def _add_members(client: OpenSearch, role: str, arns: Iterable[str]) -> None:
    try:
        mapped = client.security.get_role_mapping(role=role)[role]
    except opensearchpy.NotFoundError:
        mapped = None
    members = list((mapped or {}).get("backend_roles", ()))
    missing = [arn for arn in dict.fromkeys(arns) if arn not in members]
    if not missing:
        return
    if mapped is None:
        client.security.create_role_mapping(role=role, body={"backend_roles": missing})
    else:
        # replaces the whole list, and leaves users and hosts as they are
        change = {"op": "add", "path": "/backend_roles", "value": members + missing}
        client.security.patch_role_mapping(role=role, body=[change])
