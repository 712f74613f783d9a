"""The inventory set-up's wiring: one inventory configuration on the bucket with the imagery, and nothing else of it."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from batch_job.adapters.inventory_config import InventoryConfigurations, ReportOrder
from batch_job.adapters.s3 import s3_client
from batch_job.errors import AccessError, SettingsError, TransientError

WAITS_S = (2.0, 4.0, 8.0, 16.0)
"""Between the tries: a policy that was just attached takes seconds to hold, and a bucket takes one change at a time."""
ID = r"[A-Za-z0-9._-]{1,64}"
BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"

log = structlog.get_logger()
T = TypeVar("T")


class Wanted(BaseModel):
    """What the template asks for: properties of the custom resource, their names in PascalCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)

    bucket: str = Field(pattern=f"^{BUCKET}$", description="Whose objects are listed.")
    id: str = Field(pattern=f"^{ID}$", description="Of the configuration, unique in the bucket: the stack's name.")
    destination_bucket_arn: str = Field(pattern=r"^arn:[a-z-]+:s3:::", description="The bucket for the reports.")
    destination_account_id: str = Field(pattern=r"^[0-9]{12}$", description="Who must own that bucket.")
    prefix: str = Field(default="inventories", pattern=r"^[^/].*[^/]$", description="Begins the reports' keys.")
    service_token: str = Field(default="", description="CloudFormation's own.")
    service_timeout: str = Field(default="", description="CloudFormation's own.")

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Self:
        """Read what CloudFormation passes.

        Raises:
            SettingsError: names every property that is wrong, and how.
        """
        try:
            return cls.model_validate(properties)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()]
            raise SettingsError("the inventory set-up's properties:\n  " + "\n  ".join(lines)) from error

    @property
    def physical_id(self) -> str:
        """Name the resource: another name, and CloudFormation deletes the one before."""
        return f"{self.bucket}/{self.id}"


class Configurations(Protocol):
    """The seam to S3; ``adapters.inventory_config`` fits it."""

    def put(self, order: ReportOrder, *, also_ours: tuple[str, ...] = ()) -> None:
        """Make a configuration, or bring it up to date."""
        ...

    def delete(self, bucket: str, id_: str, *, destination_arn: str) -> bool:
        """Delete a configuration that delivers to this destination; tells whether there was one."""
        ...


class InventorySetUp:
    """Puts the configuration on the bucket, and takes it away."""

    def __init__(self, configurations: Configurations, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the buckets' configurations."""
        self._configurations, self._sleep = configurations, sleep

    def put(self, wanted: Wanted, *, before: Mapping[str, Any]) -> None:
        """Make the configuration, or bring it up to date.

        Args:
            wanted: What the template asks for.
            before: Properties that the resource had, if any: what delivers to their destination is ours too.

        Raises:
            BackfillError: says what stands in the way, and the cure.
        """
        order = ReportOrder(
            bucket=wanted.bucket,
            id=wanted.id,
            destination_arn=wanted.destination_bucket_arn,
            destination_account=wanted.destination_account_id,
            prefix=wanted.prefix,
        )
        also_ours = tuple(str(arn) for arn in (before.get("DestinationBucketArn"),) if arn)
        self._patiently(lambda: self._configurations.put(order, also_ours=also_ours))
        log.info("inventory.put", bucket=wanted.bucket, id=wanted.id)

    def delete(self, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Take away what the physical id names, if it delivers where ours does.

        Args:
            physical_id: Of the resource that goes: after a replacement, the one before.
            properties: That resource's own.

        Raises:
            BackfillError: it is ours, and could not be deleted.
        """
        named = re.fullmatch(f"({BUCKET})/({ID})", physical_id)
        destination_arn = str(properties.get("DestinationBucketArn", ""))
        gone = named is not None and self._patiently(
            lambda: self._configurations.delete(named[1], named[2], destination_arn=destination_arn)
        )
        log.info("inventory.deleted" if gone else "inventory.nothing_to_delete", physical_id=physical_id)

    def _patiently(self, step: Callable[[], T]) -> T:
        for wait_s in WAITS_S:
            try:
                return step()
            except (AccessError, TransientError) as error:
                log.info("inventory.waiting", error=str(error), wait_s=wait_s)
                self._sleep(wait_s)
        return step()


def open_set_up() -> InventorySetUp:
    """Connect to S3, in the Region of the Lambda.

    Raises:
        SettingsError, AccessError: region or credentials are missing.
    """
    return InventorySetUp(InventoryConfigurations(s3_client()))
