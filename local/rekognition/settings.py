"""How the stand-in behaves; what can be changed while it runs."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError


class Behaviour(BaseModel):
    """What ``POST /_settings`` changes on a running server."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    quota_per_s: float | None = Field(default=None, gt=0, le=1e6, description="Calls a second; None: no quota.")
    burst: int | None = Field(default=None, ge=1, description="Calls at once after a rest; None: one second's worth.")
    latency_ms: float = Field(default=0, ge=0, le=60_000, description="Waiting before each answer.")
    throttle_share: float = Field(default=0, ge=0, le=1, description="Share of calls told to slow down.")
    error_share: float = Field(default=0, ge=0, le=1, description="Share of calls that fail with HTTP 500.")
    seed: int = Field(default=0, description="Of the two shares: the n-th call meets the same fate each time.")

    def changed(self, **given: Any) -> Self:
        """Give a copy with some fields changed.

        Raises:
            ValueError: names the fields that cannot be so.
        """
        try:
            return self.model_validate({**self.model_dump(), **given})
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
            raise ValueError(problems) from error


class RekognitionSettings(BaseModel):
    """What is fixed when the server starts, and how it behaves at first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65_535, description="On 127.0.0.1; 0: a free one.")
    s3_endpoint_url: HttpUrl | None = Field(default=None, description="Where `S3Object` is read; None: nowhere.")
    model_version: str = Field(default="3.0", description="Answered as `LabelModelVersion`.")
    behaviour: Behaviour = Behaviour()
