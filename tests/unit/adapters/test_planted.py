from hypothesis import given

from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.detection.answers import parse
from batch_job.detection.dechip import dechip
from batch_job.detection.merge import merge
from batch_job.values.answers import RawAnswer
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipGrid, ImageDetection, Kind, PixelBox
from tests.ideal_detector import frame_of, windows_of
from tests.strategies import boxes

GRID = ChipGrid(image_width=1000, image_height=900, chip_px=640, overlap_px=500)


def found_in_image(*planted: PlantedObject) -> list[ImageDetection]:
    chips = [Chip(ImageRef(bucket="b", key="k"), frame_of(w), b"", "image/png") for w in windows_of(GRID)]
    seen = []
    for answer in PlantedDetector(planted).detect(chips, keep=lambda: None):
        assert isinstance(answer, RawAnswer)
        seen += [dechip(found, answer.frame, GRID) for found in parse(answer)]
    return merge(seen)


@given(boxes(within_px=800))
def test_what_is_planted_is_found_once_where_it_is(box: PixelBox) -> None:
    [found] = found_in_image(PlantedObject("ship", 80, box))
    assert (found.label.name, found.confidence, found.kind) == ("ship", 80, Kind.OBJECT)
    off = (
        found.box.min_col - box.min_col,
        found.box.min_row - box.min_row,
        found.box.max_col - box.max_col,
        found.box.max_row - box.max_row,
    )
    assert max(map(abs, off)) < 1e-6


def test_what_is_everywhere_is_a_region_of_all_chips() -> None:
    [found] = found_in_image(PlantedObject("sea", 80, None))
    assert (found.kind, len(found.windows)) == (Kind.REGION, len(windows_of(GRID)))


def test_nothing_planted_is_nothing_found() -> None:
    assert found_in_image() == []
