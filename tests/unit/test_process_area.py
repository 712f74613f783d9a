"""One image under an area of interest: what is cut, asked, read, counted; and again after the area changed."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.memory import MemoryArchiveStore, MemoryObjectStore
from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.adapters.ranges import BLOCK_BYTES, ObjectsInMemory, Portion
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import UnsupportedImageError
from batch_job.imagery.grid import windows
from batch_job.place.areas import AreaOfInterest
from batch_job.ports import Count
from batch_job.process import Pipeline
from batch_job.settings import PipelineSettings
from batch_job.settings.area_geojson import parse_area
from batch_job.spend.archive import Archive
from batch_job.spend.estimate import estimate_calls
from batch_job.tally import Tally
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.spaces import ChipGrid, Window
from batch_job.values.work import Processed, Work
from tests.end_to_end.files import HEIGHT, UTM, WIDTH, picture, tiff
from tests.unit.test_process import PLANTED, Holding, Nobody, Noted, no_file

IMAGE = ImageRef("imagery", "a/b.tif")
SETTINGS = PipelineSettings.load(
    detector="http@http://model", chip_px=100, overlap_px=0, overview_pass=False, calls_in_flight=1
)
GRID = ChipGrid(WIDTH, HEIGHT, 100, 0)
CHIPS = 4 * 3
TO_LONLAT = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)


def over(min_col: float, min_row: float, max_col: float, max_row: float) -> AreaOfInterest:
    """An area whose corners lie on pixels of the image."""
    pixels = [(min_col, max_row), (max_col, max_row), (max_col, min_row), (min_col, min_row), (min_col, max_row)]
    ring = [list(TO_LONLAT.transform(*(UTM["transform"] @ pixel))) for pixel in pixels]
    return AreaOfInterest.of(parse_area(json.dumps({"type": "Polygon", "coordinates": [ring]}).encode(), name="a"))


RIGHT = over(210, 10, 390, 290)
"""The two right columns of chips: the car lies left of them, partly, and the boat in them."""
ALL = over(-10, -10, 410, 310)
FAR = over(4000, 4000, 4100, 4100)
RIGHT_CHIPS = {window for window in windows(GRID) if window.col_off >= 200}


class Bench:
    def __init__(self, body: bytes | None = None, *, settings: PipelineSettings = SETTINGS) -> None:
        content = tiff(picture()) if body is None else body
        self.facts = MemoryObjectStore().put(IMAGE, content)
        self.reader = ObjectsInMemory({IMAGE: content})
        self.settings, self.store = settings, MemoryArchiveStore()

    def version(self, *sides: SideFile) -> ImageVersion:
        return ImageVersion(self.facts.etag, sides, self.settings.detection_fingerprint, "index")

    def pipeline(self, detector, area: AreaOfInterest | None, **changes) -> Pipeline:
        pipeline = Pipeline(
            open_raster=RasterOpener(self.reader),
            detector=detector,
            transform=GdalGroundTransform(),
            settings=self.settings,
            progress=Tally(),
            archive=Archive(self.store),
            area=area,
        )
        return replace(pipeline, **changes)

    def process(self, detector, area: AreaOfInterest | None, **changes) -> Processed:
        self.epoch = getattr(self, "epoch", 0) + 1
        work = Work(IMAGE, self.facts, self.version(), self.epoch)
        return self.pipeline(detector, area, **changes).process(work, Holding())

    def asked(self, area: AreaOfInterest | None, planted=PLANTED, **changes) -> tuple[Processed, list[Window]]:
        detector = Noted(PlantedDetector(planted))
        done = self.process(detector, area, **changes)
        return done, detector.windows


def names(processed: Processed) -> list[str]:
    return [label.label for label in processed.labels]


def test_every_chip_that_touches_the_area_is_asked_about_and_no_other():
    tally = Tally()
    done, windows_asked = Bench().asked(RIGHT, progress=tally)
    assert set(windows_asked) == RIGHT_CHIPS
    assert names(done) == ["Car", "Boat"]
    chips = done.described.chips
    assert (chips.total, chips.sent, chips.blank, chips.skipped) == (CHIPS, 6, 0, 6)
    assert done.described.to_source()["chips"]["skipped"] == 6
    summary = tally.summary()
    assert (summary["chips"]["total"], summary["chips"]["skipped"], summary["not_limited"]) == (CHIPS, 6, 0)
    assert tally.counts[Count.CHIPS] == 6


def test_what_lies_beyond_the_chips_that_are_cut_is_not_found():
    left_top = over(10, 10, 90, 90)
    done, windows_asked = Bench().asked(left_top)
    assert windows_asked == [Window(0, 0, 100, 100)]
    assert names(done) == []


def test_without_an_area_nothing_is_said_of_skipped_chips():
    done, windows_asked = Bench().asked(None)
    assert len(windows_asked) == CHIPS
    assert "skipped" not in done.described.to_source()["chips"]


def test_a_wider_area_asks_only_about_the_chips_that_it_adds():
    bench = Bench()
    _, first = bench.asked(RIGHT)
    done, second = bench.asked(ALL)
    assert set(first) | set(second) == set(windows(GRID))
    assert not set(first) & set(second)
    assert done.described.chips.sent == CHIPS
    again, third = bench.asked(None, open_raster=no_file)
    assert (third, names(again)) == ([], ["Car", "Boat"])


def test_a_smaller_area_asks_nobody_opens_nothing_and_shows_less_until_it_is_wider_again():
    bench = Bench()
    bench.asked(None)
    smaller = bench.process(Nobody(), over(310, 210, 390, 290), open_raster=no_file)
    assert names(smaller) == ["Boat"]
    assert (smaller.described.chips.sent, smaller.described.chips.skipped) == (1, CHIPS - 1)
    [boat] = smaller.labels
    assert boat.pixel_box[0] == 350
    whole = bench.process(Nobody(), None, open_raster=no_file)
    assert names(whole) == ["Car", "Boat"]


def test_the_archive_holds_everything_when_it_holds_what_the_area_asks_for():
    bench = Bench()
    bench.asked(RIGHT)
    for area, held in ((RIGHT, True), (over(310, 10, 390, 290), True), (FAR, True), (ALL, False), (None, False)):
        assert bench.pipeline(Nobody(), area).archived(IMAGE, bench.version()) is held


def test_under_a_new_side_file_the_image_may_lie_elsewhere_so_only_a_whole_archive_will_do():
    bench, moved = Bench(), SideFile("a/b.tfw", "x")
    bench.asked(RIGHT)
    assert not bench.pipeline(Nobody(), RIGHT).archived(IMAGE, bench.version(moved))
    bench.asked(ALL)
    assert bench.pipeline(Nobody(), RIGHT).archived(IMAGE, bench.version(moved))


@dataclass
class Counting:
    """Notes what is read; fits ``RangeReader``."""

    reader: ObjectsInMemory
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        portion = self.reader.read_range(image, etag=etag, start=start, length=length)
        self.ranges.append((start, len(portion.body)))
        return portion

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.ranges)


def noise(side_px: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(5).integers(1, 250, (3, side_px, side_px)).astype(dtype)


def large(dtype: str = "uint8", *, copies: tuple[int, ...] = ()) -> bytes:
    """2,048 px a side in incompressible blocks of 256 px: 12 MB of 8-bit data."""
    bands = noise(2048, dtype)
    blocks = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}
    shape = {"count": 3, "width": 2048, "height": 2048, "dtype": dtype, "photometric": "RGB"}
    with MemoryFile() as plain, MemoryFile() as cog:
        with plain.open(**blocks, **shape, **UTM) as out:
            out.write(bands)
            if copies:
                out.build_overviews(list(copies), rasterio.enums.Resampling.average)
        if not copies:
            return plain.read()
        with plain.open() as source:
            copy(source, cog.name, copy_src_overviews=True, **blocks)
        return cog.read()


LARGE_CHIPS = {"chip_px": 512, "overlap_px": 0}


def counted(body: bytes, area: AreaOfInterest | None, **more) -> tuple[Processed, Counting]:
    bench = Bench(body, settings=PipelineSettings.load(**SETTINGS.model_dump() | LARGE_CHIPS | more))
    counting = Counting(bench.reader)
    return bench.process(PlantedDetector(), area, open_raster=RasterOpener(counting)), counting


def test_blocks_that_no_chosen_chip_shows_are_not_fetched():
    whole, all_of_it = counted(large(), None)
    one, some = counted(large(), over(1030, 1030, 1500, 1500))
    assert (whole.described.chips.sent, one.described.chips.sent) == (16, 1)
    # a chip of 16 is four blocks of 64, and every GET is as wide as the reader's own blocks
    assert some.bytes <= 2 * 3 * 512 * 512 + 4 * BLOCK_BYTES + 64 * 1024
    assert some.bytes < all_of_it.bytes / 4


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_of_an_image_outside_the_area_the_header_alone_is_read_and_it_is_indexed_with_no_chips(dtype):
    done, counting = counted(large(dtype), over(90_000, 0, 90_100, 100))
    opening = Counting(counting.reader)
    with RasterOpener(opening)(IMAGE, etag=None):
        pass
    assert counting.ranges == opening.ranges
    chips = done.described.chips
    assert (chips.total, chips.sent, chips.skipped, done.labels) == (16, 0, 16, [])
    assert done.described.footprint is not None
    assert not done.described.cost_usd


def test_an_image_outside_the_area_is_no_failure_though_it_could_not_be_shown():
    body = tiff(np.zeros((1, 300, 400), np.complex64))
    with pytest.raises(UnsupportedImageError):
        Bench(body).process(PlantedDetector(), ALL)
    assert Bench(body).process(Nobody(), FAR).described.chips.skipped == CHIPS


WITH_OVERVIEW = PipelineSettings.load(**SETTINGS.model_dump() | {"overview_pass": True})
WHOLE = Window(0, 0, WIDTH, HEIGHT)


class LastFirst:
    """Sees nothing but the overview's objects."""

    def __init__(self, planted) -> None:
        self.seen = PlantedDetector(planted)

    def detect(self, chips, *, keep):
        for chip in chips:
            which = self.seen if chip.frame.window == WHOLE else PlantedDetector()
            yield from which.detect([chip], keep=keep)


def test_the_overview_is_looked_at_where_any_chip_is_and_what_it_alone_saw_elsewhere_is_left_out():
    bench = Bench(settings=WITH_OVERVIEW)
    done = bench.process(LastFirst(PLANTED), over(310, 210, 390, 290))
    assert names(done) == ["Boat"]
    assert (done.described.chips.sent, done.described.chips.skipped) == (2, CHIPS - 1)
    everything = PlantedObject("Harbor", 60.0, None)
    scene = Bench(settings=WITH_OVERVIEW).process(LastFirst([everything]), over(310, 210, 390, 290))
    assert [(label.label, label.pixel_box) for label in scene.labels] == [("Harbor", (0, 0, WIDTH, HEIGHT))]


def test_outside_the_area_the_overview_is_not_asked_for_either():
    done = Bench(settings=WITH_OVERVIEW).process(Nobody(), FAR)
    assert (done.described.chips.total, done.described.chips.skipped) == (CHIPS + 1, CHIPS + 1)


def test_an_overview_that_was_asked_for_is_asked_for_once_whatever_the_area():
    bench = Bench(settings=WITH_OVERVIEW)
    _, first = bench.asked(RIGHT)
    _, second = bench.asked(ALL)
    assert (first.count(WHOLE), second.count(WHOLE)) == (1, 0)


class Shown:
    """Keeps what it is shown of the whole image."""

    def __init__(self, side_px: int) -> None:
        self.whole, self.body = Window(0, 0, side_px, side_px), b""

    def detect(self, chips, *, keep):
        for chip in chips:
            if chip.frame.window == self.whole:
                self.body = chip.body
            yield from PlantedDetector().detect([chip], keep=keep)


def overviews(body: bytes, area: AreaOfInterest | None) -> tuple[np.ndarray, int]:
    """The overview as it is sent, losslessly, and how many bytes were read for all."""
    more = LARGE_CHIPS | {"overview_pass": True, "encoding": "png"}
    bench = Bench(body, settings=PipelineSettings.load(**SETTINGS.model_dump() | more))
    counting, shown = Counting(bench.reader), Shown(2048)
    bench.process(shown, area, open_raster=RasterOpener(counting))
    with MemoryFile(shown.body) as file, file.open() as image:
        return image.read(), counting.bytes


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_where_the_file_has_no_smaller_copy_the_overview_is_the_same_with_an_area_and_without():
    without, _ = overviews(large(), None)
    limited, _ = overviews(large(), over(1030, 1030, 1500, 1500))
    np.testing.assert_array_equal(limited, without)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_smaller_copy_in_the_file_makes_an_overview_of_the_same_size_for_few_bytes():
    body = large(copies=(2, 4))
    without, all_bytes = overviews(body, None)
    limited, few_bytes = overviews(body, over(1030, 1030, 1500, 1500))
    assert limited.shape == without.shape == (3, 512, 512)
    assert np.abs(limited.astype(int) - without).mean() < 3
    assert few_bytes < all_bytes / 2


def test_an_image_without_a_place_is_cut_whole_and_counted():
    tally = Tally()
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        body = tiff(picture(), crs=None, transform=rasterio.Affine.identity())
    done, windows_asked = Bench(body).asked(FAR, progress=tally)
    assert (len(windows_asked), done.described.chips.skipped, tally.summary()["not_limited"]) == (CHIPS, 0, 1)


def test_another_key_has_another_area():
    limited = AreaOfInterest({"a/": RIGHT.parts[""]})
    done, windows_asked = Bench().asked(limited)
    assert set(windows_asked) == RIGHT_CHIPS
    elsewhere = AreaOfInterest({"b/": RIGHT.parts[""]})
    _, windows_asked = Bench().asked(elsewhere)
    assert len(windows_asked) == CHIPS
    assert done.described.chips.skipped == 6


def test_an_estimate_counts_what_would_be_asked():
    bench = Bench(settings=WITH_OVERVIEW)
    opener, transform = RasterOpener(bench.reader), GdalGroundTransform()

    def estimate(area: AreaOfInterest | None):
        found = estimate_calls([(IMAGE, bench.facts.etag)], opener, WITH_OVERVIEW, transform, area)
        return found.calls, found.skipped

    assert [estimate(area) for area in (None, RIGHT, FAR)] == [(13, 0), (7, 6), (0, 13)]
