"""One image through the stages: cut, encode, ask, dechip, merge, place, document."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from batch_job.detection.findings import Findings
from batch_job.detection.label_filter import LabelFilter
from batch_job.detection.merge import merge
from batch_job.hooks import refine
from batch_job.imagery.chosen import Chosen
from batch_job.place.footprints import place_features, place_image
from batch_job.ports import Count, Keeper
from batch_job.search.documents import Inspection, image_document, label_documents
from batch_job.spend.archive import ImageRecord
from batch_job.spend.prices import price_of_calls
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.raster import RasterFacts
from batch_job.values.spaces import Feature
from batch_job.values.work import Processed, Work
from batch_job.visit import Equipment, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline(Equipment):
    """The stages, wired; fits ``ports.Processing``."""

    run_id: str | None = None

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        """Tell whether the archive holds every answer of this version."""
        record = self.archive.any_record(image, version) if self.archive is not None else None
        if self.archive is None or record is None:
            return False
        chosen = self._surely_chosen(image, version, record)
        findings = Findings(chosen, self.settings.min_confidence)
        findings.recall_all(self.archive.answers(image, version))
        return all(window in findings.known for window in chosen.asked())

    def _surely_chosen(self, image: ImageRef, version: ImageVersion, record: ImageRecord) -> Chosen:
        """Tell which chips are cut; while new side files may have moved the image, that may be any."""
        exact = None if self.archive is None else self.archive.record(image, version)
        return Chosen(record.grid) if exact is None else self.chosen(image, exact)

    def process(self, work: Work, keeper: Keeper) -> Processed:
        """Do all stages; see ``ports.Processing``."""
        with ExitStack() as open_files:
            visit = Visit(self, work, keeper, open_files)
            with self._timed("detect"):
                record, findings = visit.find()
            with self._timed("merge"):
                merged = list(self._wanted.kept(findings.chosen.concerned(merge(findings.detections))))
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

    def _documents(self, work: Work, facts: RasterFacts, findings: Findings, features: list[Feature]) -> Processed:
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
