"""What the pipeline reads, behind every door."""

import hashlib
import importlib
import re
from enum import StrEnum, auto
from typing import Annotated, Any, Self

import orjson
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from batch_job.errors import SettingsError
from batch_job.settings.area import AREA_TEXT
from batch_job.settings.dem import DEM_TEXT, Dem

DETECTION_VERSION = 2
"""Raise when the code cuts or encodes chips differently, so that old answers are not taken for new ones."""
INDEX_VERSION = 3
"""Raise when the code makes other documents from the same answers: everything is re-indexed from the archive."""

PREFIX = "BACKFILL_"


class Stretch(StrEnum):
    """How other than 8-bit data becomes 8-bit."""

    JOINT = auto()
    """One low/high pair for all bands, so that hue survives."""
    PER_BAND = auto()


class BandOrder(StrEnum):
    """Orders of bands that have a name; ``imagery.presets`` holds them."""

    RGB = auto()
    BGR = auto()
    NAIP = auto()
    SENTINEL2 = auto()
    LANDSAT8 = auto()
    """And 9."""
    LANDSAT7 = auto()
    """And 4 and 5."""
    WORLDVIEW = auto()
    PLANETSCOPE = auto()


AUTO_BANDS = "auto"
"""The bands are those that the file names, or the first."""

_BANDS = re.compile(r"[1-9][0-9]{0,3}(,[1-9][0-9]{0,3}){2}|[1-9][0-9]{0,3}")
"""Three numbers, or one for grey."""


class Encoding(StrEnum):
    """How chips are sent."""

    JPEG = auto()
    PNG = auto()


BANDS_TEXT = f"Which bands are shown: `auto`, `R,G,B` or `N` by number, or an order: {', '.join(map(str, BandOrder))}."


TARGET_GSD_TEXT = "Images with smaller pixels are read smaller, by a whole number, m on the ground; 0: as they are."


class PipelineSettings(BaseSettings):
    """Settings of the pipeline, the same behind every door."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", defer_build=True)

    detector: str = Field(
        default="rekognition",
        pattern=r"^(rekognition(@https?://\S+)?|http@https?://\S+)$",
        description="`rekognition`, `rekognition@URL` (another endpoint) or `http@URL` (any model server).",
    )
    chip_px: int = Field(default=1024, ge=80, le=10_000, description="Side of a chip, px.")
    overlap_px: int = Field(
        default=-1, ge=-1, description="How far neighbouring chips overlap, px; -1: a fifth of chip_px."
    )
    overview_pass: bool = Field(
        default=True, description="Look at the whole image too, in one picture of chip_px, where it has several chips."
    )
    min_confidence: float = Field(default=55.0, ge=0, le=100, description="Detections below this are not asked for.")
    encoding: Encoding = Field(default=Encoding.JPEG, description="Format of the chips sent.")
    jpeg_quality: int = Field(default=90, ge=1, le=100, description="Quality of JPEG chips.")
    stretch: Stretch = Field(default=Stretch.JOINT, description="How other than 8-bit data becomes 8-bit.")
    bands: str = Field(default=AUTO_BANDS, description=BANDS_TEXT)
    target_gsd_m: float = Field(default=0.0, ge=0, le=1000, description=TARGET_GSD_TEXT)
    calls_in_flight: int = Field(default=8, ge=1, le=256, description="Detector calls under way at once.")
    before_detection: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Callables `module:name`, chip pixels to chip pixels, comma-separated."
    )
    after_merging: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Callables `module:name`, features to features, comma-separated."
    )
    settings_revision: int = Field(
        default=0, ge=0, description="Grows with every deployment; workers of an older one leave newer work alone."
    )
    lease_s: int = Field(default=300, ge=3, le=3600, description="How long a worker may be silent, seconds.")
    budget_table: str = Field(
        default="",
        pattern=r"^([a-zA-Z0-9_.-]{3,255})?$",
        description="DynamoDB table of the budget that all workers share; empty: calls are not limited together.",
    )
    backfill_calls_per_s: float = Field(
        default=4.0,
        ge=0.001,
        le=100_000,
        description="Detector calls a second of all workers of the backfill together.",
    )
    live_calls_per_s: float = Field(
        default=1.0,
        ge=0.001,
        le=100_000,
        description="The same for live events; reserved: the backfill cannot take them.",
    )
    include_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Only these labels are indexed, and those below them, comma-separated; empty: all."
    )
    exclude_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="These labels are not indexed, comma-separated; what is below them is."
    )
    area_of_interest: str = Field(default="", description=AREA_TEXT)
    area_digest: str = Field(
        default="", pattern="^([0-9a-f]{32})?$", description="Names what stands in that file; whoever reads it says so."
    )
    dem: Dem = Field(default="", description=DEM_TEXT)
    requester_pays: bool = Field(default=False, description="Pay for requests to a bucket whose owner does not.")
    stack: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9-]{0,127})?$", description="Names this deployment.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Log from here up.")

    @field_validator("before_detection", "after_merging", "include_labels", "exclude_labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split(value)

    @field_validator("bands")
    @classmethod
    def _names_bands(cls, bands: str) -> str:
        return check_bands(bands)

    @field_validator("before_detection", "after_merging")
    @classmethod
    def _importable(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            find_callable(name)
        return names

    @model_validator(mode="after")
    def _overlap_is_under_chip(self) -> Self:
        if self.overlap_px >= self.chip_px:
            raise ValueError(f"overlap_px ({self.overlap_px}) must be under chip_px ({self.chip_px})")
        if self.overlap_px < 0:
            object.__setattr__(self, "overlap_px", self.chip_px // 5)
        return self

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment, under what is given.

        Raises:
            SettingsError: names every field that is wrong, and how.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            lines = [f"{PREFIX}{'.'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in error.errors()]
            raise SettingsError("settings:\n  " + "\n  ".join(lines)) from error

    def to_env(self) -> dict[str, str]:
        """Write every field as the environment variable that ``load`` reads."""
        fields = self.model_dump(mode="json")
        texts = {name: ",".join(v) if isinstance(v, list) else str(v) for name, v in fields.items()}
        return {f"{PREFIX}{name.upper()}": text for name, text in texts.items()}

    @property
    def engine(self) -> str:
        """The parser's name: ``rekognition`` or ``http``."""
        return self.detector.partition("@")[0]

    @property
    def detection_fingerprint(self) -> str:
        """Name everything on our side of the request that a raw answer depends on."""
        return _fingerprint(
            version=DETECTION_VERSION,
            detector=self.detector,
            chip_px=self.chip_px,
            overlap_px=self.overlap_px,
            overview_pass=self.overview_pass,
            min_confidence=self.min_confidence,
            encoding=self.encoding,
            jpeg_quality=self.jpeg_quality,
            stretch=self.stretch,
            bands=self.bands,
            target_gsd_m=self.target_gsd_m,
            before_detection=self.before_detection,
        )

    @property
    def index_fingerprint(self) -> str:
        """Name everything that documents depend on beside the raw answers.

        A DEM counts by its name, when there is one.
        Labels that are chosen, and an area of interest, count when there are any: an index from before there was a
        choice stays as it is. An area counts by what its file says, wherever that stands.
        """
        chosen = {"include_labels": self.include_labels, "exclude_labels": self.exclude_labels}
        labels = {name: sorted({one.casefold() for one in ones}) for name, ones in chosen.items() if ones}
        labels |= {"dem": [self.dem]} if self.dem else {}
        area = {"area": self.area_digest} if self.area_digest else {}
        return _fingerprint(version=INDEX_VERSION, after_merging=self.after_merging, **labels, **area)


def split(value: object) -> object:
    """Take a text with commas for a tuple of texts; anything else is left to pydantic."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def check_bands(bands: str) -> str:
    """Give the text back as it is compared: without spaces, in lower case.

    Raises:
        ValueError: it is no choice of bands.
    """
    text = bands.replace(" ", "").lower()
    if text not in (AUTO_BANDS, *BandOrder) and not _BANDS.fullmatch(text):
        raise ValueError(f"{bands!r} is neither auto nor band numbers (3,2,1, or 1) nor one of {', '.join(BandOrder)}")
    return text


def find_callable(name: str) -> Any:
    """Import ``module:name``.

    Raises:
        ValueError: says what is missing.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} is not an importable module:name: {error}") from error
    if not callable(found):
        raise ValueError(f"{name!r} is not callable")  # noqa: TRY004  pydantic reports ValueErrors
    return found


def _fingerprint(**facts: object) -> str:
    text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]
