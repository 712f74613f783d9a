"""Ours, whole: read, encode, ask, dechip, merge, place, make documents. The detector takes no time.

``python -m cProfile -s tottime -m benchmarks.side_ours TASK`` shows where ours goes.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.memory import EPOCH
from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.adapters.ranges import LocalFiles
from batch_job.adapters.raster import RasterOpener
from batch_job.imagery.encode import unscaled_frame
from batch_job.imagery.grid import windows
from batch_job.imagery.picture import grid_of
from batch_job.ports import Detector, Keep, Keeper
from batch_job.process import Pipeline
from batch_job.settings import PipelineSettings
from batch_job.tally import Tally
from batch_job.values.answers import Answer
from batch_job.values.image import LOCAL_FILES, ImageRef, ImageVersion
from batch_job.values.objects import ObjectFacts
from batch_job.values.spaces import Chip, Window
from batch_job.values.work import Work
from benchmarks.task import Chips, Task
from local.truth import read_boxes

NO_SERVICE = "http@http://127.0.0.1:9"
"""Names the form of the answers; nobody is called."""
CONFIDENCE = 90.0


class ReadyAnswers:
    """Gives the answers that ``PlantedDetector`` gave beforehand, so that asking takes no time."""

    def __init__(self, answers: Iterable[Answer], chips: Chips) -> None:
        """Take an answer for every window, and who notes the chips."""
        self._answers: dict[Window, Answer] = {answer.frame.window: answer for answer in answers}
        self._chips = chips

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield the answer to each chip, in order; one chip is alive."""
        for chip in chips:
            keep()
            window = chip.frame.window
            self._chips.add(chip.body, col_off=window.col_off, row_off=window.row_off)
            yield self._answers[window]


class Alone:
    """No lease to hold."""

    def keep(self) -> None:
        """Nothing to renew."""

    def part_archived(self) -> None:
        """Nothing to note."""


def prepare(task: Task, chips: Chips) -> tuple[Pipeline, Work]:
    """Wire the pipeline over an image, with the answers to all its chips ready."""
    settings = PipelineSettings(
        detector=NO_SERVICE,
        chip_px=task.chip_px,
        overlap_px=task.overlap_px,
        jpeg_quality=task.quality,
        overview_pass=False,  # peers cut the chips alone
    )
    image = ImageRef(LOCAL_FILES, str(Path(task.image).resolve()))
    pipeline = Pipeline(
        open_raster=RasterOpener(LocalFiles()),
        detector=ReadyAnswers(_answers(image, Path(task.truth), settings), chips),
        transform=GdalGroundTransform(),
        settings=settings,
        progress=Tally(),
    )
    facts = ObjectFacts(etag="", size=Path(image.key).stat().st_size, last_modified=EPOCH)
    version = ImageVersion("", (), settings.detection_fingerprint, settings.index_fingerprint)
    return pipeline, Work(image, facts, version, epoch=0)


def _answers(image: ImageRef, truth: Path, settings: PipelineSettings) -> Iterator[Answer]:
    planted = PlantedDetector([PlantedObject(one.label, CONFIDENCE, one.box) for one in read_boxes(truth)])
    with RasterOpener(LocalFiles())(image, etag=None) as source:
        grid = grid_of(source.facts, settings)
    unread = (Chip(image, unscaled_frame(window), body=b"", media_type="image/jpeg") for window in windows(grid))
    return planted.detect(unread, keep=Alone().keep)


if __name__ == "__main__":
    noted = Chips()
    pipeline, work = prepare(Task.from_json(sys.argv[1]), noted)
    print(noted.timed(lambda: len(pipeline.process(work, Alone()).labels)).to_json())

if TYPE_CHECKING:
    _detector: type[Detector] = ReadyAnswers
    _keeper: type[Keeper] = Alone
