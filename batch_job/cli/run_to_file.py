"""A run into a GeoJSON file: the stages alone."""

from functools import partial
from pathlib import Path

from batch_job.cli.display import Share
from batch_job.cli.geojson_file import GeoJSONFile
from batch_job.cli.paid import agree
from batch_job.cli.patience import Patience
from batch_job.cli.request import Request
from batch_job.cli.sources import find_sources
from batch_job.errors import InputError
from batch_job.process import Pipeline
from batch_job.search.geojson import failed_image_feature, image_feature, label_feature
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.objects import ObjectFacts
from batch_job.values.work import Failed, Indexed, Outcome, Work
from batch_job.wiring.run import open_buckets, pipeline_to_file

NO_EPOCH = 0
"""Nobody else writes this file, so there are no claims to tell apart."""


class _Alone:
    """No lease to hold; fits ``ports.Keeper``."""

    def keep(self) -> None:
        """Nothing to renew."""

    def part_archived(self) -> None:
        """Nothing to note."""


def run_to_file(request: Request) -> int:
    """Run every source through the stages and write what was found; give the exit code."""
    buckets = open_buckets(request.endpoints)
    sources = list(find_sources(request.sources, buckets.store))
    agree(request, sources, buckets.open_raster)
    pipeline = pipeline_to_file(
        request.settings, request.endpoints, buckets, request.tally, max_calls=request.max_calls
    )
    patience = Patience(request.tally, request.console)
    share = Share(request.tally, [source.facts.size for source in sources])
    with GeoJSONFile(Path(request.to)) as file, request.watched(share):
        for source in sources:
            with share.image(source.facts.size):
                patience.visit(source.image, partial(_visit, pipeline, file, source.facts))
    return patience.exit_code


def _visit(pipeline: Pipeline, file: GeoJSONFile, facts: ObjectFacts, image: ImageRef) -> Outcome:
    settings = pipeline.settings
    version = ImageVersion(facts.etag, (), settings.detection_fingerprint, settings.index_fingerprint)
    try:
        processed = pipeline.process(Work(image, facts, version, epoch=NO_EPOCH), _Alone())
    except InputError as error:
        file.add(failed_image_feature(image, code=str(error.code), message=str(error)))
        return Failed(image, error.code, str(error))
    file.add(image_feature(processed.described), *map(label_feature, processed.labels))
    return Indexed(image, len(processed.labels))
