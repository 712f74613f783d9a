"""What a deployment is told: ``cdk.json`` and ``-c name=value``; never the environment."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum, auto
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from batch_job.errors import SettingsError
from batch_job.settings.area import AREA_TEXT
from batch_job.settings.dem import DEM_TEXT, DeployedDem
from batch_job.settings.doors import SHARD_CHIPS, KeyFilters
from batch_job.settings.pipeline import AUTO_BANDS, BANDS_TEXT, TARGET_GSD_TEXT, PipelineSettings, check_bands, split

VPC_REASON = (
    "a domain in a VPC is not offered yet: people's browsers and the workers' public subnets could not reach it "
    "without a VPN or NAT gateways; the public endpoint takes signed requests of the stack's own roles only"
)
AMAZONS_ENDPOINT = re.compile(r"[a-z0-9][a-z0-9.-]*\.(amazonaws\.com|amazonaws\.com\.cn|on\.aws)")
ENDPOINT_REASON = (
    "give the host name that OpenSearch Service itself gave the domain, as search-x.eu-west-1.es.amazonaws.com: "
    "requests to any other are not signed, and the domain would refuse them"
)
MAX_SHARD_S = 36_000
"""Of a whole shard while all workers share the calls: after 12 hours Batch ends a job for good (infra/parts/job.py)."""
MAX_VOLUME_GB = {"t3.small.search": 100}
"""Of the node that is the default; the others take more than most need (OpenSearch Service quotas, EBS volume size)."""


class Capacity(StrEnum):
    """What the backfill runs on; the live lane is always on demand."""

    SPOT = auto()
    ON_DEMAND = auto()


class Build(StrEnum):
    """Who builds the container image."""

    LOCAL = auto()
    """Docker on this machine, or what ``CDK_DOCKER`` names."""
    CODEBUILD = auto()


class Removal(StrEnum):
    """What becomes of answers, runs, index and users when the stack is deleted; imagery is never touched."""

    RETAIN = auto()
    DESTROY = auto()


class DeploySettings(KeyFilters, BaseSettings):
    """Settings of a deployment; those of the pipeline go to the workers."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", defer_build=True)

    stack: str = Field(
        default="ImageryBackfill", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,49}$", description="The stack's name."
    )
    bucket: str = Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$",
        description="The bucket with the imagery.",
    )
    new_bucket: bool = Field(default=False, description="Make that bucket; it is kept when the stack goes.")
    bucket_kms_key_arns: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="KMS keys that objects of the bucket are encrypted with, comma-separated ARNs."
    )
    requester_pays: bool = Field(default=False, description="Pay for requests to a bucket whose owner does not.")
    chip_px: int = Field(default=1024, ge=80, le=10_000, description="Side of a chip, px.")
    overlap_px: int = Field(default=-1, ge=-1, description="How far chips overlap, px; -1: a fifth of chip_px.")
    overview_pass: bool = Field(
        default=True, description="Look at the whole image too, in one picture of chip_px, where it has several chips."
    )
    bands: str = Field(default=AUTO_BANDS, description=BANDS_TEXT)
    target_gsd_m: float = Field(default=0.0, ge=0, le=1000, description=TARGET_GSD_TEXT)
    min_confidence: float = Field(default=55.0, ge=0, le=100, description="Detections below this are not asked for.")
    include_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Only these labels are indexed, and those below them, comma-separated; empty: all."
    )
    exclude_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="These labels are not indexed, comma-separated; what is below them is."
    )
    dem: DeployedDem = Field(default="", description=DEM_TEXT)
    area_of_interest: str = Field(default="", description=AREA_TEXT)
    max_vcpus: int = Field(
        default=4, ge=2, le=4096, description="Cap over all of Batch, live lane included; new accounts have 6."
    )
    live_vcpus: int = Field(default=1, ge=1, le=256, description="... of these for large new images alone.")
    calls_in_flight: int = Field(default=8, ge=1, le=256, description="Detector calls under way at once, per vCPU.")
    backfill_calls_per_s: float = Field(
        default=4.0, ge=0.001, le=100_000, description="Calls a second of the backfill, over all workers."
    )
    live_calls_per_s: float = Field(
        default=1.0, ge=0.001, le=100_000, description="The same for live events; reserved for them."
    )
    capacity: Capacity = Field(default=Capacity.SPOT, description="What the backfill runs on: `spot` or `on_demand`.")
    shard_chips: int = Field(default=SHARD_CHIPS, ge=1, description="Chips expected of a Batch child, at most.")
    max_live_bytes: int = Field(
        default=50_000_000, ge=0, description="Larger new images go to the live Batch queue, bytes."
    )
    search_instance_type: str = Field(
        default="t3.small.search", pattern=r"^[a-z0-9-]+\.[a-z0-9]+\.search$", description="Of the domain's data nodes."
    )
    search_instances: int = Field(default=1, ge=1, le=80, description="How many of them.")
    search_volume_gb: int = Field(default=20, ge=10, le=24_576, description="gp3 volume of each, GB.")
    mail: str = Field(
        default="",
        pattern=r"^([^@\s]+@[^@\s]+\.[^@\s]+)?$",
        description="Gets alarms, and is the first user of Dashboards; empty: nobody.",
    )
    removal: Removal = Field(default=Removal.RETAIN, description="When the stack goes: `retain` or `destroy`.")
    build: Build = Field(default=Build.LOCAL, description="Who builds the image: `local` or `codebuild`.")
    rebuild_index: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]{0,40}$",
        description="Another text than before, a date say: the indices are deleted and made anew; see the runbook.",
    )
    log_days: int = Field(default=30, description="How long logs are kept, days.")
    domain_endpoint: str = Field(default="", description="An OpenSearch domain of yours, host name; empty: a new one.")
    domain_arn: str = Field(default="", description="... and its ARN.")
    user_pool_id: str = Field(default="", description="A Cognito user pool of yours; empty: a new one.")
    identity_pool_id: str = Field(default="", description="... and its identity pool.")
    people_role_arn: str = Field(
        default="",
        pattern=r"^(arn:[a-z-]+:iam::[0-9]{12}:role/\S+)?$",
        description="... and the IAM role of those who signed in; or, of people in Dashboards of a domain of yours.",
    )
    vpc_id: str = Field(default="", description="Not offered yet: a VPC for the domain.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given alone: a template depends on ``cdk.json`` and ``-c``, not on whose shell it is."""
        return (init_settings,)

    @field_validator("bucket_kms_key_arns", "include_labels", "exclude_labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split(value)

    @field_validator("domain_endpoint")
    @classmethod
    def _signed_endpoint(cls, endpoint: str) -> str:
        if endpoint and not AMAZONS_ENDPOINT.fullmatch(endpoint):
            raise ValueError(ENDPOINT_REASON)
        return endpoint

    @field_validator("bands")
    @classmethod
    def _names_bands(cls, bands: str) -> str:
        return check_bands(bands)

    @field_validator("vpc_id")
    @classmethod
    def _no_vpc(cls, vpc_id: str) -> str:
        if vpc_id:
            raise ValueError(VPC_REASON)
        return vpc_id

    @field_validator("log_days")
    @classmethod
    def _log_days(cls, days: int) -> int:
        if days not in LOG_DAYS:
            raise ValueError(f"CloudWatch keeps logs for one of {', '.join(map(str, LOG_DAYS))} days")
        return days

    @model_validator(mode="after")
    def _hang_together(self) -> Self:
        if problems := [*self._misfits(), *self._lonely()]:
            raise ValueError("; ".join(problems))
        self.pipeline()
        return self

    def _misfits(self) -> Iterator[str]:
        """Say which numbers do not go together."""
        workers, chips, calls_per_s = self.max_vcpus - self.live_vcpus, self.shard_chips, self.backfill_calls_per_s
        if workers < 1:
            yield f"live_vcpus ({self.live_vcpus}) must be under max_vcpus ({self.max_vcpus})"
        if chips * workers > MAX_SHARD_S * calls_per_s:
            hours = chips * workers / calls_per_s / 3600
            yield (
                f"{workers} workers that share {calls_per_s:g} calls a second would take {hours:,.0f} h for a shard of "
                f"{chips} chips, and Batch ends a job after 12: lower max_vcpus or shard_chips, or raise "
                "backfill_calls_per_s"
            )
        most = MAX_VOLUME_GB.get(self.search_instance_type, self.search_volume_gb)
        if self.search_volume_gb > most:
            yield f"search_volume_gb ({self.search_volume_gb}): {self.search_instance_type} takes {most} GB"

    def _lonely(self) -> Iterator[str]:
        """Say what of the user's own lacks its other half, or has no use for it."""
        for one, other in (("domain_endpoint", "domain_arn"), ("user_pool_id", "identity_pool_id")):
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                yield f"{one} and {other} go together"
        if self.user_pool_id and not self.people_role_arn:
            yield "user_pool_id and people_role_arn go together: whom else is the index to let in?"
        if self.user_pool_id and self.domain_endpoint:
            yield "a domain of yours has its own sign-in: user_pool_id is of no use beside domain_endpoint"

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Read what the CDK passes; what does not look like one of our names is its own, and is left alone.

        Raises:
            SettingsError: names every setting that is wrong, and how.
        """
        lines = [f"{name}: there is no such setting{_nearest(name, cls.model_fields)}" for name in _misspelt(context)]
        try:
            settings = cls(**{name: context[name] for name in cls.model_fields if context.get(name) is not None})
        except ValidationError as error:
            lines += [f"{'.'.join(map(str, p['loc'])) or 'settings'}: {p['msg']}" for p in error.errors()]
            raise _wrong(lines) from error
        if lines:
            raise _wrong(lines)
        return settings

    def pipeline(self) -> PipelineSettings:
        """Give the workers' share; where things are is added by whoever makes them.

        Raises:
            ValueError: they do not go together.
        """
        fields = PipelineSettings.model_fields
        shared = {name: getattr(self, name) for name in fields.keys() & type(self).model_fields.keys()}
        # all are given, so that none comes from the environment
        return PipelineSettings(**{name: field.default for name, field in fields.items()} | shared)


def _misspelt(context: Mapping[str, Any]) -> list[str]:
    # the CDK's own names have colons, slashes or dashes
    return [name for name in context if re.fullmatch(r"\w+", name) and name not in DeploySettings.model_fields]


def _nearest(name: str, names: Iterable[str]) -> str:
    return "".join(f": {one}?" for one in difflib.get_close_matches(name.lower(), names, n=1))


def _wrong(lines: Iterable[str]) -> SettingsError:
    text = "\n  ".join(lines)
    return SettingsError(f"settings of the deployment (cdk.json, or -c name=value):\n  {text}")


LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 2192, 2557, 2922, 3288, 3653)
"""CloudWatch Logs, PutRetentionPolicy."""
