"""One image's way from its file to what is known of its chips: cut, encode, ask, remember."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from batch_job.detection.findings import Findings
from batch_job.errors import BackfillError
from batch_job.hooks import MergedImage, correct
from batch_job.imagery.ahead import done_ahead
from batch_job.imagery.chosen import Chosen
from batch_job.imagery.encode import encode, is_blank, unscaled_frame
from batch_job.imagery.grid import overview_window, windows
from batch_job.imagery.orientation import turned_facts
from batch_job.imagery.overview import Overview
from batch_job.imagery.picture import Picture, open_picture, shrink_of, shrink_to
from batch_job.place.areas import AreaOfInterest
from batch_job.place.cutting import grid_on_ground
from batch_job.place.side_files.beside import place_by_side_files
from batch_job.ports import (
    Count,
    Detector,
    GroundTransform,
    Keeper,
    OpenRaster,
    Progress,
    RasterSource,
    ReadSideFile,
)
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive, ImageRecord, PartWriter
from batch_job.values.answers import ArchivedAnswer, ChipBlank
from batch_job.values.image import ImageRef, mask_of
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Chip, ChipGrid, Window
from batch_job.values.work import Work

Seen = tuple[Window, NDArray[np.uint8], NDArray[np.bool_]]
"""A window, its pixels as (3, rows, columns), and which of them are valid."""

ENCODERS = max(1, min(os.cpu_count() or 1, 4))
"""Threads that encode chips: reading keeps up with no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a visit works with."""

    open_raster: OpenRaster
    detector: Detector
    transform: GroundTransform
    settings: PipelineSettings
    progress: Progress
    archive: Archive | None = None
    """None: nothing is kept, as when the results go to a file."""
    read_side_file: ReadSideFile | None = None
    """None: files beside an image are not looked into."""
    area: AreaOfInterest | None = None
    """Only chips that touch it are cut; None: all are."""

    def chosen(self, image: ImageRef, record: ImageRecord) -> Chosen:
        """Tell which chips of an image are cut."""
        if self.area is None:
            return Chosen(record.grid)
        return self.area.choose(image, record.grid, record.facts, self.transform)


class Visit:
    """One image on its way through the stages; opens the file when, and if, its pixels are needed."""

    def __init__(self, equipment: Equipment, work: Work, keeper: Keeper, open_files: ExitStack) -> None:
        self._equipment, self._work, self._keeper, self._open_files = equipment, work, keeper, open_files

    @cached_property
    def _source(self) -> RasterSource:
        """The header is read; no pixels are yet."""
        mask = mask_of(self._work.image, self._work.version.side_files)
        return self._open_files.enter_context(
            self._equipment.open_raster(self._work.image, etag=self._work.facts.etag, mask=mask)
        )

    @cached_property
    def _picture(self) -> Picture:
        settings = self._equipment.settings
        return open_picture(self._source, stretch=settings.stretch, bands=settings.bands)

    def merged_image(self, facts: RasterFacts) -> MergedImage:
        """Show the image to hooks after merging."""

        def read_rgb(window: Window) -> NDArray[np.uint8]:
            [(_, rgb, _)] = self._picture.read([window])
            return rgb

        return MergedImage(self._work.image, width=facts.width, height=facts.height, read_rgb=read_rgb)

    def find(self) -> tuple[ImageRecord, Findings]:
        """Collect what the archive knows of the chips, and ask the detector about the rest."""
        record = self._record()
        chosen = self._equipment.chosen(self._work.image, record)
        findings = Findings(chosen, self._equipment.settings.min_confidence)
        if self._equipment.archive is not None:
            answers = self._equipment.archive.answers(self._work.image, self._work.version)
            findings.recall_all(self._kept(answers))
        self._count(findings)
        # never all at once: a broken header of a few bytes can ask for a thousand million chips
        in_order = chosen.asked(orientation=record.facts.orientation)
        missing = (window for window in in_order if window not in findings.known)
        if (first := next(missing, None)) is not None:
            self._ask(chain([first], missing), findings)
        findings.check()
        return record, findings

    def _count(self, findings: Findings) -> None:
        """Count what is planned, and what of it is known."""
        progress, chosen = self._equipment.progress, findings.chosen
        progress.add(Count.CHIPS, chosen.count)
        progress.add(Count.SKIPPED, chosen.skipped)
        progress.add(Count.NOT_LIMITED, int(chosen.has_no_place))
        progress.add(Count.BLANK, findings.blank)
        progress.add(Count.KEPT, findings.sent)

    def _kept(self, answers: Iterable[ArchivedAnswer]) -> Iterator[ArchivedAnswer]:
        """Yield answers, holding on to the lease: there may be thousands of parts."""
        for answer in answers:
            self._keeper.keep()
            yield answer

    def _record(self) -> ImageRecord:
        """Recall how the image is placed and cut, or find out and write it down."""
        archive, image, version = self._equipment.archive, self._work.image, self._work.version
        if archive is None:
            return self._new_record(earlier=None)
        record = archive.record(image, version)
        if record is None:
            # same pixels with other side files: cut as before, also when our settings would cut otherwise by now
            record = self._new_record(earlier=archive.any_record(image, version))
            archive.write_record(image, version, record)
        return record

    def _new_record(self, *, earlier: ImageRecord | None) -> ImageRecord:
        facts, settings = self._placed_facts(), self._equipment.settings
        return ImageRecord(
            facts, earlier.grid if earlier else grid_on_ground(facts, settings, self._equipment.transform)
        )

    def _placed_facts(self) -> RasterFacts:
        """Give the header, its place completed by what lies beside the image."""
        read, image, lying = self._equipment.read_side_file, self._work.image, self._source.facts
        if read is None or lying.georeference.places_pixels:
            return turned_facts(self._source.facts)
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
            for answer in self._equipment.detector.detect(self._chips(missing, findings, writer), keep=keep):
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
        if self._equipment.archive is None:
            return None
        work, on_part = self._work, self._keeper.part_archived
        return self._equipment.archive.writer(work.image, work.version, epoch=work.epoch, on_part=on_part)

    def _chips(self, missing: Iterable[Window], findings: Findings, writer: PartWriter | None) -> Iterator[Chip]:
        """Yield the chips with something to see, encoded in threads, a few ahead of the one asked for."""
        settings = self._equipment.settings

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
                self._equipment.progress.add(Count.BLANK)
                if writer is not None:
                    writer.add(blank)
                continue
            yield window, correct(rgb, self._equipment.settings.before_detection)

    def _read(self, missing: Iterable[Window], findings: Findings) -> Iterator[Seen]:
        """Yield what is missing: chips, and last the overview, which is put together from them."""
        grid = findings.grid
        whole = overview_window(grid)
        if whole is None or whole in findings.known:
            yield from self._chip_picture(grid).read(missing)
            return
        if findings.chosen.chips is not None and self._picture.source.has_copy_for(grid.overview_px):
            yield from self._chip_picture(grid).read(window for window in missing if window != whole)
            yield from replace(self._picture, shrink=shrink_to(grid.overview_px, grid)).read([whole])
            return
        overview = Overview(grid)
        for seen in self._chip_picture(grid).read(window for window in missing if window != whole):
            overview.add(*seen)
            yield seen
        yield whole, *self._whole(overview, grid)

    def _chip_picture(self, grid: ChipGrid) -> Picture:
        """Give the picture as its chips show it: smaller, where the grid's chips cover more than ``chip_px``."""
        return replace(self._picture, shrink=shrink_of(grid, self._equipment.settings))

    def _whole(self, overview: Overview, grid: ChipGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Give the overview; chips that were asked about before are read again for it, so that it is the same."""
        if not overview.is_complete:
            overview = Overview(grid)
            for seen in self._chip_picture(grid).read(windows(grid, orientation=self._picture.facts.orientation)):
                self._keeper.keep()
                overview.add(*seen)
        return overview.rgb, overview.valid
