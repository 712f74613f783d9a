"""What each door reads beside the pipeline's settings: whose images, which keys, and where everything is."""

from typing import Annotated

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode

from batch_job.settings.pipeline import PipelineSettings, split

S3_URI = r"^s3://[^/]+(/.*)?$"
SHARD_CHIPS = 2000
"""Some minutes of a worker, so that one lost is little lost; the start of one takes about one."""
HTTP_URL = r"^https?://\S+$"


class KeyFilters(BaseModel):
    """Which keys of the bucket are worked on; excluding wins."""

    include_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Only keys that start with one of these, comma-separated; empty: all."
    )
    exclude_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="No key that starts with one of these, comma-separated."
    )
    include_suffixes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Only keys that end with one of these, in any case, comma-separated; empty: images'."
    )
    exclude_suffixes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="No key that ends with one of these, in any case, comma-separated."
    )

    @field_validator("include_prefixes", "exclude_prefixes", "include_suffixes", "exclude_suffixes", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return split(value)

    @field_validator("include_suffixes", "exclude_suffixes")
    @classmethod
    def _lower(cls, suffixes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(suffix.lower() for suffix in suffixes)


class IndexSettings(PipelineSettings):
    """Where the index is."""

    index_url: str = Field(pattern=HTTP_URL, description="The index, which is the ledger.")
    index_prefix: str = Field(default="imagery", description="Beginning of the two indices' names.")


class PlannerSettings(KeyFilters, IndexSettings):
    """What the planner reads beside."""

    bucket: str = Field(min_length=3, max_length=63, description="The bucket with the imagery.")
    runs_uri: str = Field(pattern=S3_URI, description="`s3://BUCKET/PREFIX` where runs are kept.")
    plan_queue_url: str = Field(pattern=HTTP_URL, description="The queue of the planner's own messages.")
    job_queue: str = Field(min_length=1, description="Name or ARN of the Batch queue of the backfill.")
    shard_chips: int = Field(default=SHARD_CHIPS, ge=1, description="Chips expected of a Batch child, at most.")
    job_definition: str = Field(min_length=1, description="Name or ARN of the Batch job definition of the backfill.")


class JobSettings(IndexSettings):
    """What a Batch job reads beside."""

    runs_uri: str = Field(pattern=S3_URI, description="`s3://BUCKET/PREFIX` where runs are kept.")
    archive_uri: str = Field(pattern=S3_URI, description="`s3://BUCKET/PREFIX` of the paid answers.")
    lane: str = Field(default="backfill", pattern="^(backfill|live)$", description="Whose share of the calls it draws.")
    live_queue_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="The queue that a live job gives its image back to while the lane is paused; empty: none.",
    )


class LiveSettings(KeyFilters, IndexSettings):
    """What the Lambda behind the bucket's events reads beside."""

    bucket: str = Field(min_length=3, max_length=63, description="The bucket with the imagery.")
    runs_uri: str = Field(pattern=S3_URI, description="`s3://BUCKET/PREFIX` where runs and the pause are kept.")
    archive_uri: str = Field(pattern=S3_URI, description="`s3://BUCKET/PREFIX` of the paid answers.")
    live_job_queue: str = Field(min_length=1, description="Name or ARN of the Batch queue of large new images.")
    live_job_definition: str = Field(min_length=1, description="Name or ARN of its Batch job definition.")
    max_live_bytes: int = Field(
        default=50_000_000, ge=0, description="Larger new images go to the live Batch queue, bytes."
    )
