"""Which keys are worked on, from the settings: the same for the planner and the live door."""

from batch_job.backfill.plan import Filters
from batch_job.settings.doors import KeyFilters
from batch_job.values.image import IMAGE_SUFFIXES


def filters_of(settings: KeyFilters) -> Filters:
    """Take the filters from the settings; without suffixes, those of images."""
    return Filters(
        include_prefixes=settings.include_prefixes,
        exclude_prefixes=settings.exclude_prefixes,
        include_suffixes=settings.include_suffixes or IMAGE_SUFFIXES,
        exclude_suffixes=settings.exclude_suffixes,
    )
