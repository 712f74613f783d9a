"""The area of interest that settings name, read once for each process."""

from typing import TYPE_CHECKING, Any, TypeVar

from batch_job.adapters.area_file import read_area
from batch_job.settings.area import area_digest
from batch_job.settings.pipeline import PipelineSettings

if TYPE_CHECKING:
    from batch_job.place.areas import AreaOfInterest

Settings = TypeVar("Settings", bound=PipelineSettings)


def with_area_digest(settings: Settings, client: Any) -> Settings:
    """Complete settings by what names the area's content: enough to tell what was indexed under another one.

    Raises:
        SettingsError: its file cannot be read.
        TransientError: so, for now.
    """
    return _read(settings, client)[0]


def with_area(settings: Settings, client: Any) -> "tuple[Settings, AreaOfInterest | None]":
    """Complete settings as ``with_area_digest``, and understand the area; None: there is none.

    Raises:
        SettingsError: its file cannot be read, or is no area; says what to do.
        TransientError: it cannot be read for now.
    """
    settings, body = _read(settings, client)
    if not settings.area_of_interest:
        return settings, None
    # with them comes shapely, which a planner needs not
    from batch_job.place.areas import AreaOfInterest  # noqa: PLC0415
    from batch_job.settings.area_geojson import parse_area  # noqa: PLC0415

    return settings, AreaOfInterest.of(parse_area(body, name=settings.area_of_interest))


def _read(settings: Settings, client: Any) -> tuple[Settings, bytes]:
    if not settings.area_of_interest:
        return settings, b""
    body = read_area(settings.area_of_interest, client)
    return settings.model_copy(update={"area_digest": area_digest(body)}), body
