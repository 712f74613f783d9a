"""One image through the stages: cut, encode, ask, dechip, merge, place, document."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from batch_job.detection.findings import Findings
from batch_job.detection.label_filter import LabelFilter
from batch_job.detection.merge import merge
from batch_job.errors import BackfillError
from batch_job.hooks import MergedImage, correct, refine
from batch_job.imagery.ahead import done_ahead
from batch_job.imagery.encode import encode, is_blank, unscaled_frame
from batch_job.imagery.grid import asked, count, overview_window, windows
from batch_job.imagery.orientation import lying_facts, turned_facts
from batch_job.imagery.overview import Overview
from batch_job.imagery.picture import Picture, open_picture, shrink_of
from batch_job.place.cutting import grid_on_ground
from batch_job.place.footprints import place_features, place_image
from batch_job.place.side_files.beside import place_by_side_files
from batch_job.ports import Count, Detector, GroundTransform, Keeper, OpenRaster, Progress, ReadSideFile
from batch_job.search.documents import Inspection, image_document, label_documents
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive, ImageRecord, PartWriter
from batch_job.spend.prices import price_of_calls
from batch_job.values.answers import ArchivedAnswer, ChipBlank
from batch_job.values.image import ImageRef, ImageVersion, mask_of
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Chip, ChipGrid, Feature, Window
from batch_job.values.work import Processed, Work

Seen = tuple[Window, NDArray[np.uint8], NDArray[np.bool_]]
"""A window, its pixels as (3, rows, columns), and which of them are valid."""

ENCODERS = max(1, min(os.cpu_count() or 1, 4))
"""Threads that encode chips: reading keeps up with no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages, wired; fits ``ports.Processing``."""

    open_raster: OpenRaster
    detector: Detector
    transform: GroundTransform
    settings: PipelineSettings
    progress: Progress
    archive: Archive | None = None
    """None: nothing is kept, as when the results go to a file."""
    run_id: str | None = None
    read_side_file: ReadSideFile | None = None
    """None: files beside an image are not looked into."""

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        """Tell whether the archive holds every answer of this version."""
        record = self.archive.any_record(image, version) if self.archive is not None else None
        if self.archive is None or record is None:
            return False
        findings = Findings(record.grid, self.settings.min_confidence)
        findings.recall_all(self.archive.answers(image, version))
        return all(window in findings.known for window in asked(record.grid))

    def process(self, work: Work, keeper: Keeper) -> Processed:
        """Do all stages; see ``ports.Processing``."""
        with ExitStack() as open_files:
            visit = _Visit(self, work, keeper, open_files)
            with self._timed("detect"):
                record, findings = visit.find()
            with self._timed("merge"):
                merged = list(self._wanted.kept(merge(findings.detections)))
            keeper.keep()
            with self._timed("place"):
                features = place_features(merged, record.facts, self.transform)
            with self._timed("hooks"):
                refined = refine(features, visit.merged_image(record.facts), self.settings.after_merging)
        keeper.keep()
        with self._timed("documents"):
            return self._documents(work, record.facts, findings, sorted(refined, key=_reading_order))

    @property
    def _wanted(self) -> LabelFilter:
        return LabelFilter(include=self.settings.include_labels, exclude=self.settings.exclude_labels)

    def _documents(self, work: Work, facts: RasterFacts, findings: "Findings", features: list[Feature]) -> Processed:
        inspection = Inspection(
            raster=facts,
            place=place_image(facts, self.transform),
            chips=findings.counts,
            engine=self.settings.engine,
            model_version=findings.model_version,
            cost_usd=price_of_calls(findings.sent, detector=self.settings.detector),
            run_id=self.run_id,
            indexed_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        described = image_document(work.image, work.facts, inspection, features)
        self.progress.add(Count.LABELS, len(features))
        return Processed(described, label_documents(described, features, epoch=work.epoch))

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.progress.spent(stage, time.perf_counter() - began)


def _reading_order(feature: Feature) -> tuple[float, float, str, float]:
    found = feature.detection
    return (found.box.min_row, found.box.min_col, found.label.name, -found.confidence)


class _Visit:
    """One image on its way through the stages; opens the file when, and if, its pixels are needed."""

    def __init__(self, pipeline: Pipeline, work: Work, keeper: Keeper, open_files: ExitStack) -> None:
        self._pipeline, self._work, self._keeper, self._open_files = pipeline, work, keeper, open_files

    @cached_property
    def _picture(self) -> Picture:
        mask = mask_of(self._work.image, self._work.version.side_files)
        source = self._open_files.enter_context(
            self._pipeline.open_raster(self._work.image, etag=self._work.facts.etag, mask=mask)
        )
        settings = self._pipeline.settings
        return open_picture(source, stretch=settings.stretch, bands=settings.bands)

    def merged_image(self, facts: RasterFacts) -> MergedImage:
        """Show the image to hooks after merging."""

        def read_rgb(window: Window) -> NDArray[np.uint8]:
            [(_, rgb, _)] = self._picture.read([window])
            return rgb

        return MergedImage(self._work.image, width=facts.width, height=facts.height, read_rgb=read_rgb)

    def find(self) -> tuple[ImageRecord, Findings]:
        """Collect what the archive knows of the chips, and ask the detector about the rest."""
        record = self._record()
        findings = Findings(record.grid, self._pipeline.settings.min_confidence)
        if self._pipeline.archive is not None:
            answers = self._pipeline.archive.answers(self._work.image, self._work.version)
            findings.recall_all(self._kept(answers))
        self._pipeline.progress.add(Count.CHIPS, count(record.grid))
        self._pipeline.progress.add(Count.BLANK, findings.blank)
        self._pipeline.progress.add(Count.KEPT, findings.sent)
        # never all at once: a broken header of a few bytes can ask for a thousand million chips
        in_order = asked(record.grid, orientation=record.facts.orientation)
        missing = (window for window in in_order if window not in findings.known)
        if (first := next(missing, None)) is not None:
            self._ask(chain([first], missing), findings)
        findings.check()
        return record, findings

    def _kept(self, answers: Iterable[ArchivedAnswer]) -> Iterator[ArchivedAnswer]:
        """Yield answers, holding on to the lease: there may be thousands of parts."""
        for answer in answers:
            self._keeper.keep()
            yield answer

    def _record(self) -> ImageRecord:
        """Recall how the image is placed and cut, or find out and write it down."""
        archive, image, version = self._pipeline.archive, self._work.image, self._work.version
        if archive is None:
            return self._new_record(earlier=None)
        record = archive.record(image, version)
        if record is None:
            # same pixels with other side files: cut as before, also when our settings would cut otherwise by now
            record = self._new_record(earlier=archive.any_record(image, version))
            archive.write_record(image, version, record)
        return record

    def _new_record(self, *, earlier: ImageRecord | None) -> ImageRecord:
        facts, settings = self._placed_facts(), self._pipeline.settings
        return ImageRecord(
            facts, earlier.grid if earlier else grid_on_ground(facts, settings, self._pipeline.transform)
        )

    def _placed_facts(self) -> RasterFacts:
        """Give the header, its place completed by what lies beside the image."""
        read, image, lying = self._pipeline.read_side_file, self._work.image, lying_facts(self._picture.source)
        if read is None or lying.georeference.places_pixels:
            return self._picture.facts
        place = place_by_side_files(image, lying, self._work.version.side_files, partial(read, image))
        return turned_facts(replace(lying, georeference=place))

    def _ask(self, missing: Iterable[Window], findings: Findings) -> None:
        """Have the detector look; what it said is archived whatever happens on the way.

        An answer that cannot be kept or read ends the asking, not the loop: the calls under way are paid for too.
        """
        writer = self._writer()
        failures: list[BackfillError] = []

        def keep() -> None:
            if failures:
                raise failures[0]
            self._keeper.keep()

        try:
            for answer in self._pipeline.detector.detect(self._chips(missing, findings, writer), keep=keep):
                try:
                    if writer is not None:
                        writer.add(answer)
                    findings.add(answer)
                except BackfillError as error:
                    failures.append(error)
        finally:
            if writer is not None:
                writer.flush()
        if failures:
            raise failures[0]

    def _writer(self) -> PartWriter | None:
        if self._pipeline.archive is None:
            return None
        work, on_part = self._work, self._keeper.part_archived
        return self._pipeline.archive.writer(work.image, work.version, epoch=work.epoch, on_part=on_part)

    def _chips(self, missing: Iterable[Window], findings: Findings, writer: PartWriter | None) -> Iterator[Chip]:
        """Yield the chips with something to see, encoded in threads, a few ahead of the one asked for."""
        settings = self._pipeline.settings

        def encoded(seen: tuple[Window, NDArray[np.uint8]]) -> Chip:
            window, rgb = seen
            return encode(self._work.image, window, rgb, encoding=settings.encoding, quality=settings.jpeg_quality)

        return done_ahead(encoded, self._seen(missing, findings, writer), threads=ENCODERS)

    def _seen(
        self, missing: Iterable[Window], findings: Findings, writer: PartWriter | None
    ) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        """Yield the windows with something to see, as the detector will get them; the blank ones are written down."""
        for window, rgb, valid in self._read(missing, findings):
            self._keeper.keep()
            if is_blank(rgb, valid):
                blank = ChipBlank(unscaled_frame(window))
                findings.add(blank)
                self._pipeline.progress.add(Count.BLANK)
                if writer is not None:
                    writer.add(blank)
                continue
            yield window, correct(rgb, self._pipeline.settings.before_detection)

    def _read(self, missing: Iterable[Window], findings: Findings) -> Iterator[Seen]:
        """Yield what is missing: chips, and last the overview, which is put together from them."""
        grid = findings.grid
        whole = overview_window(grid)
        if whole is None or whole in findings.known:
            yield from self._chip_picture(grid).read(missing)
            return
        overview = Overview(grid)
        for seen in self._chip_picture(grid).read(window for window in missing if window != whole):
            overview.add(*seen)
            yield seen
        yield whole, *self._whole(overview, grid)

    def _chip_picture(self, grid: ChipGrid) -> Picture:
        """Give the picture as its chips show it: smaller, where the grid's chips cover more than ``chip_px``."""
        return replace(self._picture, shrink=shrink_of(grid, self._pipeline.settings))

    def _whole(self, overview: Overview, grid: ChipGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Give the overview; chips that were asked about before are read again for it, so that it is the same."""
        if not overview.is_complete:
            overview = Overview(grid)
            for seen in self._chip_picture(grid).read(windows(grid, orientation=self._picture.facts.orientation)):
                self._keeper.keep()
                overview.add(*seen)
        return overview.rgb, overview.valid
