"""The search set-up's wiring: the indices, then who may use them, then what people see of them."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Self, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from batch_job.adapters.dashboards import import_objects
from batch_job.adapters.opensearch import create_indices, open_client, rebuild_indices
from batch_job.adapters.security_roles import put_roles
from batch_job.adapters.signing import domain_auth
from batch_job.errors import AccessError, DeploymentError, SettingsError, TransientError
from batch_job.search.dashboards.saved_objects import File, read_bundle
from batch_job.search.mappings import DEFAULT_PREFIX, IndexNames
from batch_job.search.roles import Access
from batch_job.values.set_up import LeftOut

WAITS_S = (2.0, 4.0, 8.0, 16.0, 30.0, 30.0)
"""Between the tries of each step, 90 s in all: a domain answers before its parts do, and a right that was just
granted takes seconds to hold. Give the Lambda ten minutes."""

log = structlog.get_logger()
T = TypeVar("T")


class Wanted(BaseModel):
    """What the template asks for: properties of the custom resource, their names in PascalCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)

    index_url: str = Field(
        description="`https://` and the domain's endpoint: signed; `http://…`: a stand-in, unsigned."
    )
    index_prefix: str = Field(default=DEFAULT_PREFIX, description="Beginning of the two indices' names.")
    shards: int = Field(default=1, ge=1, le=1024, description="Of each index, when it is made.")
    writers: tuple[str, ...] = Field(default=(), description="ARNs of the IAM roles of workers.")
    readers: tuple[str, ...] = Field(default=(), description="ARNs of the IAM roles of programs that only look.")
    people: tuple[str, ...] = Field(default=(), description="ARNs of the IAM roles of people in Dashboards.")
    revision: str = Field(
        default="", description="Anything that changes with the settings and this code, so that an update gets here."
    )
    rebuild: str = Field(
        default="", description="A text. When it is another than before, both indices are deleted and made anew."
    )
    service_token: str = Field(default="", description="CloudFormation's own.")
    service_timeout: str = Field(default="", description="CloudFormation's own.")

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Self:
        """Read what CloudFormation passes, where every number is a text.

        Raises:
            SettingsError: names every property that is wrong, and how.
        """
        try:
            return cls.model_validate(properties)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()]
            raise SettingsError("the search set-up's properties:\n  " + "\n  ".join(lines)) from error


def set_up_search(wanted: Wanted, *, sleep: Callable[[float], None] = time.sleep) -> tuple[LeftOut, ...]:
    """Make everything that searching needs; what is there already is brought up to date.

    Nothing is deleted, unless ``rebuild`` is a text with which the indices were not made anew yet.

    Returns:
        What could not be made, and what the rest works without: saved objects; roles, on a server that has none.

    Raises:
        BackfillError: indices or roles could not be made: nothing would work.
    """
    names = IndexNames(wanted.index_prefix)
    access = Access(writers=wanted.writers, readers=wanted.readers, people=wanted.people)
    bundles = {file: read_bundle(file, names) for file in File}
    auth = domain_auth() if wanted.index_url.startswith("https://") else None
    with closing(open_client(wanted.index_url, http_auth=auth)) as client:
        if wanted.rebuild:
            _patiently(lambda: rebuild_indices(client, names, wanted.rebuild, shards=wanted.shards), sleep)
        _patiently(lambda: create_indices(client, names, shards=wanted.shards), sleep)
        no_roles = _patiently(lambda: put_roles(client, names, access), sleep)
        no_objects = _import_all(lambda file: import_objects(client, bundles[file]), sleep)
    for one in no_roles + no_objects:
        log.warning("search.left_out", what=one.what, reason=one.reason)
    return no_roles + no_objects


def _import_all(
    import_file: Callable[[File], tuple[LeftOut, ...]], sleep: Callable[[float], None]
) -> tuple[LeftOut, ...]:
    """Import the objects, and the dashboard with the map or, where the map is refused, without.

    No failure here is worth a stack that took half an hour to make: files can be imported by hand.
    """

    def imported(file: File) -> tuple[LeftOut, ...]:
        try:
            return _patiently(lambda: import_file(file), sleep)
        except (DeploymentError, TransientError) as error:
            return (LeftOut(file, str(error)),)

    left_out = imported(File.OBJECTS)
    if any(one.what == File.OBJECTS for one in left_out):
        return left_out
    no_map = imported(File.MAP)
    # a dashboard is taken even when the map in it was refused; this one replaces it
    return left_out + no_map + (imported(File.WITHOUT_MAP) if no_map else ())


def _patiently(step: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Take a step, again while it may work later."""
    for wait_s in WAITS_S:
        try:
            return step()
        except (AccessError, TransientError) as error:
            log.info("search.waiting", error=str(error), wait_s=wait_s)
            sleep(wait_s)
    return step()
