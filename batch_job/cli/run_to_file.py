"""A run into a GeoJSON file: the stages alone. What is paid for stays beside the file until the file is whole."""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from batch_job.cli.display import Share
from batch_job.cli.geojson_file import GeoJSONFile
from batch_job.cli.paid import agree
from batch_job.cli.patience import Patience
from batch_job.cli.request import Request
from batch_job.cli.sources import Source, find_sources, side_files_of
from batch_job.errors import DiskFullError, InputError
from batch_job.ports import ObjectStore
from batch_job.process import Pipeline
from batch_job.search.geojson import failed_image_feature, image_feature, label_feature, left_image_feature
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.objects import ObjectFacts
from batch_job.values.work import Failed, Indexed, Outcome, Work
from batch_job.wiring.run import FileDoor, file_door, open_buckets

NO_EPOCH = 0
"""Nobody else writes this file, so there are no claims to tell apart, and labels keep their ids from run to run."""

ANSWERS = ".answers"
"""What the folder beside the file is called after it."""
_PARTS = ".ndjson.gz"


class _Alone:
    """No lease to hold; fits ``ports.Keeper``."""

    def keep(self) -> None:
        """Nothing to renew."""

    def part_archived(self) -> None:
        """Nothing to note."""


class _Visits:
    """Takes images through the stages into the file."""

    def __init__(self, pipeline: Pipeline, store: ObjectStore, file: GeoJSONFile) -> None:
        self._pipeline, self._store, self._file = pipeline, store, file
        # in a part's name: neither an earlier run nor an earlier try is overwritten
        self._epochs = itertools.count(time.time_ns() // 10**6)
        self._written: set[ImageRef] = set()
        self.paid_in_vain = False
        """Whether an image failed of which answers are kept: after a cure nobody should have to buy them again."""

    def visit(self, facts: ObjectFacts, image: ImageRef) -> Outcome:
        """Process an image and write what was found, or why not."""
        settings = self._pipeline.settings
        beside = side_files_of(image, self._store)
        version = ImageVersion(facts.etag, beside, settings.detection_fingerprint, settings.index_fingerprint)
        try:
            processed = self._pipeline.process(Work(image, facts, version, epoch=next(self._epochs)), _Alone())
        except InputError as error:
            self.paid_in_vain |= self._has_answers(image, version)
            self._file.add(failed_image_feature(image, code=str(error.code), message=str(error)))
            self._written.add(image)
            return Failed(image, error.code, str(error))
        labels = (label_feature(replace(label, epoch=NO_EPOCH)) for label in processed.labels)
        self._file.add(image_feature(processed.described), *labels)
        self._written.add(image)
        return Indexed(image, len(processed.labels))

    def _has_answers(self, image: ImageRef, version: ImageVersion) -> bool:
        archive = self._pipeline.archive
        return archive is not None and next(archive.answers(image, version), None) is not None

    def write_left(self, sources: Sequence[Source], reasons: dict[ImageRef, str], *, otherwise: str) -> None:
        """Name each image that is in the file neither as processed nor as failed."""
        for source in sources:
            if source.image not in self._written:
                reason = reasons.get(source.image, otherwise)
                self._file.add(left_image_feature(source.image, reason=reason))


def run_to_file(request: Request) -> int:
    """Run every source through the stages and write what was found; give the exit code."""
    buckets = open_buckets(request.endpoints)
    request = request.limited(buckets)
    sources = list(find_sources(request.sources, buckets.store))
    agree(request, sources, buckets)
    path = Path(request.to)
    answers = path.with_name(path.name + ANSWERS)
    door = file_door(request.settings, request.endpoints, buckets, request.run, answers=answers)
    patience = Patience(request.tally, request.console)
    share = Share(request.tally, [source.facts.size for source in sources])
    with _answers_announced(door, request.console):
        with GeoJSONFile(path) as file, request.watched(share):
            visits = _Visits(door.pipeline, buckets.store, file)
            with _left_named(visits, sources, patience):
                for source in sources:
                    with share.image(source.facts.size):
                        patience.visit(source.image, partial(visits.visit, source.facts))
        if not patience.left and not visits.paid_in_vain:
            door.answers.forget()
    return patience.exit_code


@contextmanager
def _left_named(visits: _Visits, sources: Sequence[Source], patience: Patience) -> Iterator[None]:
    """Write down at the end, also at a bad one, what was left."""
    try:
        yield
    except DiskFullError:
        raise  # no room to say more
    except BaseException as error:
        why = str(error) or type(error).__name__
        visits.write_left(sources, patience.left, otherwise=f"not reached: {why}")
        raise
    visits.write_left(sources, patience.left, otherwise="not reached")


@contextmanager
def _answers_announced(door: FileDoor, console: Console) -> Iterator[None]:
    """Say at the end, also at a bad one, where paid answers are that the file lacks."""
    try:
        yield
    finally:
        if any(key.endswith(_PARTS) for key in door.answers.keys("")):
            folder = door.answers.root
            console.print(
                f"answers paid for are kept in {folder}; run the same command again", markup=False, soft_wrap=True
            )
        else:
            door.answers.forget()
