"""One image through the stages: what is paid is kept, what is kept is not paid again, and the counts add up."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from batch_job.adapters.calls import Flow, call_all
from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.memory import MemoryArchiveStore, MemoryObjectStore
from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import AnswerError, ChangedError, HookError, LeaseLostError, OutOfBudgetError, UnavailableError
from batch_job.ports import Count, Keep
from batch_job.process import Pipeline
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive
from batch_job.spend.cap import CappedDetector
from batch_job.tally import Tally
from batch_job.values.answers import Answer, ChipRejected
from batch_job.values.documents import label_id
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.spaces import Chip, PixelBox, Window
from batch_job.values.work import Processed, Work
from tests.end_to_end.files import HEIGHT, WIDTH, picture, tiff

IMAGE = ImageRef("imagery", "a/b.tif")
SETTINGS = PipelineSettings.load(
    detector="http@http://model", chip_px=128, overlap_px=64, overview_pass=False, calls_in_flight=1
)
CHIPS = 24
BORDER_PX = 200
"""On the left, without data: chips whose columns end there are blank."""
BLANK = 2 * 4
PLANTED = (
    PlantedObject("Car", 91.0, PixelBox(230, 120, 270, 150)),
    PlantedObject("Boat", 77.5, PixelBox(350, 250, 390, 290)),
)
EPOCH = 1_700_000_000_123


def body(*, border_px: int = 0) -> bytes:
    bands = picture()
    bands[:, :, :border_px] = 0
    return tiff(bands, nodata=0)


class Holding:
    """A lease that is lost at the n-th look; fits ``ports.Keeper``."""

    def __init__(self, *, looks: int = 10**6) -> None:
        self.left, self.parts = looks, 0

    def keep(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise LeaseLostError("somebody else has it")

    def part_archived(self) -> None:
        self.parts += 1


class Noted:
    """Another detector, with a note of every chip that it was asked about."""

    def __init__(self, detector) -> None:
        self.detector, self.windows = detector, []

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        def noted() -> Iterator[Chip]:
            for chip in chips:
                self.windows.append(chip.frame.window)
                yield chip

        return self.detector.detect(noted(), keep=keep)


class Refusing:
    """Refuses every second chip for good."""

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        for number, chip in enumerate(chips):
            if number % 2:
                yield ChipRejected(chip.frame, code="ImageTooLargeException", message="no")
            else:
                yield from PlantedDetector(PLANTED).detect([chip], keep=keep)


class Nobody:
    """Must not be asked."""

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        raise AssertionError("asked a detector")
        yield


@contextmanager
def no_file(image: ImageRef, *, etag: str | None, mask: SideFile | None = None) -> Iterator[None]:
    raise AssertionError("opened the image")
    yield


class Bench:
    """A pipeline over one image in memory; the archive stays when a run is over."""

    def __init__(self, *, border_px: int = 0, settings: PipelineSettings = SETTINGS) -> None:
        content = body(border_px=border_px)
        self.facts = MemoryObjectStore().put(IMAGE, content)
        self.opener = RasterOpener(ObjectsInMemory({IMAGE: content}))
        self.settings, self.store = settings, MemoryArchiveStore()

    def version(self, settings: PipelineSettings) -> ImageVersion:
        return ImageVersion(self.facts.etag, (), settings.detection_fingerprint, settings.index_fingerprint)

    def pipeline(self, detector, **changes) -> Pipeline:
        pipeline = Pipeline(
            open_raster=self.opener,
            detector=detector,
            transform=GdalGroundTransform(),
            settings=self.settings,
            progress=Tally(),
            archive=Archive(self.store),
            run_id="run-1",
        )
        return replace(pipeline, **changes)

    def process(self, detector, *, keeper: Holding | None = None, epoch: int = EPOCH, **changes) -> Processed:
        pipeline = self.pipeline(detector, **changes)
        work = Work(IMAGE, self.facts, self.version(pipeline.settings), epoch)
        return pipeline.process(work, keeper or Holding())

    def archived(self) -> bool:
        return self.pipeline(Nobody()).archived(IMAGE, self.version(self.settings))


def facts_of(processed: Processed) -> list[tuple]:
    return [(one.label, one.confidence, one.pixel_box, one.geometry, one.chips) for one in processed.labels]


def test_every_planted_object_becomes_one_label_in_its_place_whatever_saw_it():
    done = Bench().process(PlantedDetector(PLANTED))
    assert [(one.label, one.confidence, one.pixel_box) for one in done.labels] == [
        ("Car", 91.0, (230.0, 120.0, 270.0, 150.0)),
        ("Boat", 77.5, (350.0, 250.0, 390.0, 290.0)),
    ]
    assert done.labels[0].chips > 1
    assert done.labels[0].length_m == pytest.approx(20, abs=0.1)  # 40 px of half a metre


def test_an_image_read_smaller_costs_fewer_chips_and_everything_is_where_it_was():
    as_it_is = Bench().process(PlantedDetector(PLANTED))
    smaller = PipelineSettings.load(**SETTINGS.model_dump() | {"target_gsd_m": 1.0})
    bench, asked = Bench(settings=smaller), []

    class Measured(PlantedDetector):
        def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
            for chip in chips:
                asked.append((chip.frame.window.width, chip.frame.content_width))
                yield from super().detect([chip], keep=keep)

    done = bench.process(Measured(PLANTED))
    assert asked == [(256, 128)] * 6
    assert (as_it_is.described.chips.total, done.described.chips.total) == (CHIPS, 6)
    assert [one[:4] for one in facts_of(done)] == [one[:4] for one in facts_of(as_it_is)]
    assert done.described.gsd_m == as_it_is.described.gsd_m
    again = bench.process(Nobody(), open_raster=no_file, epoch=EPOCH + 1)
    assert facts_of(again) == facts_of(done)


def test_the_bands_wanted_are_what_a_hook_sees():
    SHOWN.clear()
    for bands in ("auto", "3,2,1"):
        more = {"bands": bands, "chip_px": 400, "overlap_px": 0, "before_detection": f"{__name__}:note_pixels"}
        Bench(settings=PipelineSettings.load(**SETTINGS.model_dump() | more)).process(PlantedDetector(PLANTED))
    as_it_is, wanted = SHOWN
    np.testing.assert_array_equal(wanted, as_it_is[::-1])


SHOWN: list[np.ndarray] = []


def note_pixels(rgb):
    SHOWN.append(rgb.copy())
    return rgb


@pytest.mark.parametrize(
    ("choice", "left"),
    [({"include_labels": ("boat",)}, ["Boat"]), ({"exclude_labels": "BOAT, Tree"}, ["Car"]), ({}, ["Car", "Boat"])],
)
def test_labels_that_are_not_chosen_leave_no_trace_and_cost_the_same(choice, left):
    settings, tally = PipelineSettings.load(**SETTINGS.model_dump() | choice), Tally()
    done = Bench(settings=settings).process(PlantedDetector(PLANTED), progress=tally)
    assert [one.label for one in done.labels] == left
    assert done.described.labels == tuple(sorted(left))
    assert (tally.counts[Count.LABELS], done.described.chips.sent) == (len(left), CHIPS)


def test_another_choice_of_labels_is_made_from_the_archive():
    bench = Bench()
    bench.process(PlantedDetector(PLANTED))
    chosen = PipelineSettings.load(**SETTINGS.model_dump() | {"include_labels": "Car"})
    again = bench.process(Nobody(), settings=chosen, open_raster=no_file, epoch=EPOCH + 1)
    assert [one.label for one in again.labels] == ["Car"]
    back = bench.process(Nobody(), open_raster=no_file, epoch=EPOCH + 2)
    assert [one.label for one in back.labels] == ["Car", "Boat"]


HOOKED: list[str] = []


def note(features, _image):
    HOOKED.extend(one.detection.label.name for one in features)
    return features


def test_hooks_after_merging_see_what_is_chosen():
    HOOKED.clear()
    settings = PipelineSettings.load(
        **SETTINGS.model_dump() | {"exclude_labels": "Boat", "after_merging": f"{__name__}:note"}
    )
    Bench(settings=settings).process(PlantedDetector(PLANTED))
    assert HOOKED == ["Car"]


def test_labels_carry_the_epoch_of_the_claim_and_ordinals_without_gaps():
    done = Bench().process(PlantedDetector(PLANTED), epoch=42)
    assert [(one.epoch, one.ordinal) for one in done.labels] == [(42, 0), (42, 1)]
    assert [one.id for one in done.labels] == [label_id(IMAGE, epoch=42, ordinal=n) for n in (0, 1)]
    other = Bench().process(PlantedDetector(PLANTED), epoch=43)
    assert not {one.id for one in done.labels} & {one.id for one in other.labels}


def test_the_image_is_described_with_its_engine_its_models_version_and_its_run():
    done = Bench().process(PlantedDetector(PLANTED))
    described = done.described
    assert (described.engine, described.model_version, described.run_id) == ("http", "planted", "run-1")
    assert (described.width, described.height, described.crs) == (WIDTH, HEIGHT, "EPSG:32633")
    assert described.gsd_m == pytest.approx(0.5, rel=1e-3)
    assert described.labels == ("Boat", "Car")
    assert {one.model_version for one in done.labels} == {"planted"}


def test_blank_chips_are_never_sent_and_the_counts_add_up():
    bench, detector, tally = Bench(border_px=BORDER_PX), Noted(PlantedDetector(PLANTED)), Tally()
    chips = bench.process(detector, progress=tally).described.chips
    assert (chips.total, chips.sent, chips.blank, chips.rejected) == (CHIPS, CHIPS - BLANK, BLANK, 0)
    assert len(detector.windows) == chips.sent
    assert all(window.col_off + window.width > BORDER_PX for window in detector.windows)
    assert (tally.counts[Count.CHIPS], tally.counts[Count.BLANK], tally.counts[Count.LABELS]) == (CHIPS, BLANK, 2)


def test_rejected_chips_count_as_sent_and_the_image_goes_on():
    done = Bench(border_px=BORDER_PX).process(Refusing())
    chips = done.described.chips
    assert chips.rejected == (CHIPS - BLANK) // 2
    assert chips.sent + chips.blank == chips.total == CHIPS
    assert done.labels


def test_without_an_archive_the_same_is_found_and_nothing_counts_as_archived():
    bench = Bench()
    alone = bench.process(PlantedDetector(PLANTED), archive=None)
    assert facts_of(alone) == facts_of(bench.process(PlantedDetector(PLANTED)))
    assert not bench.pipeline(Nobody(), archive=None).archived(IMAGE, bench.version(SETTINGS))


@pytest.mark.parametrize("paid", [0, 1, 7, CHIPS - BLANK - 1])
def test_resuming_buys_only_what_is_missing_and_ends_the_same(paid):
    whole = Bench(border_px=BORDER_PX).process(PlantedDetector(PLANTED))
    bench, first, second = Bench(border_px=BORDER_PX), Noted(PlantedDetector(PLANTED)), Noted(PlantedDetector(PLANTED))
    with pytest.raises(OutOfBudgetError):
        bench.process(CappedDetector(first, max_calls=paid), epoch=1)
    assert not bench.archived()
    resumed = bench.process(second, epoch=2)
    assert len(first.windows) == paid
    assert len(second.windows) == CHIPS - BLANK - paid
    assert not set(first.windows) & set(second.windows)
    assert facts_of(resumed) == facts_of(whole)
    assert resumed.described.chips == whole.described.chips
    assert bench.archived()


def test_what_was_paid_before_the_lease_was_lost_is_archived():
    bench, detector, keeper = Bench(), Noted(PlantedDetector(PLANTED)), Holding(looks=13)
    with pytest.raises(LeaseLostError):
        bench.process(detector, keeper=keeper)
    kept = list(Archive(bench.store).answers(IMAGE, bench.version(SETTINGS)))
    # a look for each chip that is cut, some of them ahead, and one before it is paid for
    assert 0 < len(kept) <= 13 // 2
    assert keeper.parts == 1
    rest = Noted(PlantedDetector(PLANTED))
    bench.process(rest)
    assert len(rest.windows) == CHIPS - len(kept)


def test_a_lease_lost_after_the_last_call_leaves_a_whole_archive_and_no_documents():
    bench = Bench()
    with pytest.raises(LeaseLostError):
        bench.process(PlantedDetector(PLANTED), keeper=Holding(looks=2 * CHIPS))
    assert bench.archived()


def test_what_was_answered_before_a_failure_of_the_service_is_archived():
    class Fails:
        def detect(self, chips, *, keep):
            yield from PlantedDetector(PLANTED).detect([next(chips), next(chips)], keep=keep)
            raise UnavailableError("gone")

    bench = Bench()
    with pytest.raises(UnavailableError):
        bench.process(Fails())
    assert len(list(Archive(bench.store).answers(IMAGE, bench.version(SETTINGS)))) == 2


def test_indexing_again_from_the_archive_opens_nothing_and_asks_nobody():
    bench, tally = Bench(border_px=BORDER_PX), Tally()
    first = bench.process(PlantedDetector(PLANTED), epoch=1)
    assert bench.archived()
    again = bench.process(Nobody(), open_raster=no_file, epoch=2, progress=tally)
    assert facts_of(again) == facts_of(first)
    assert {one.epoch for one in again.labels} == {2}
    assert replace(again.described, indexed_at=None) == replace(first.described, indexed_at=None)
    assert (tally.counts[Count.KEPT], tally.counts[Count.BLANK]) == (CHIPS - BLANK, BLANK)


def test_indexing_again_with_another_side_file_reads_the_header_and_asks_nobody():
    bench = Bench()
    first = bench.process(PlantedDetector(PLANTED))
    version = replace(bench.version(SETTINGS), side_files=(SideFile("a/b.tfw", "x"),))
    pipeline = bench.pipeline(Nobody())
    assert pipeline.archived(IMAGE, version)
    again = pipeline.process(Work(IMAGE, bench.facts, version, EPOCH), Holding())
    assert facts_of(again) == facts_of(first)
    assert sum(name.rpartition("/")[2].startswith("image-") for name in bench.store.objects) == 2


def test_other_detection_settings_have_an_archive_of_their_own():
    bench = Bench()
    bench.process(PlantedDetector(PLANTED))
    sharper = SETTINGS.model_copy(update={"jpeg_quality": 95})
    assert not bench.pipeline(Nobody()).archived(IMAGE, bench.version(sharper))
    detector = Noted(PlantedDetector(PLANTED))
    bench.process(detector, settings=sharper)
    assert len(detector.windows) == CHIPS
    assert bench.archived()


def test_a_version_that_is_gone_is_not_processed():
    bench = Bench()
    bench.facts = replace(bench.facts, etag="0" * 32)
    with pytest.raises(ChangedError):
        bench.process(Nobody())
    assert not bench.store.objects


def test_a_hook_before_detection_sees_every_chip_and_not_the_blank_ones(monkeypatch):
    from tests.end_to_end import hooks

    seen = []
    monkeypatch.setattr(hooks, "negative", lambda pixels: seen.append(pixels.shape) or 255 - pixels)
    settings = SETTINGS.model_copy(update={"before_detection": ("tests.end_to_end.hooks:negative",)})
    Bench(border_px=BORDER_PX, settings=settings).process(PlantedDetector(PLANTED))
    assert seen == [(3, 128, 128)] * (CHIPS - BLANK)


def test_a_hook_that_fails_on_a_chip_keeps_what_was_paid(monkeypatch):
    from tests.end_to_end import hooks

    pixels_left = iter([np.zeros((3, 128, 128), np.uint8)] * 3)
    monkeypatch.setattr(hooks, "negative", lambda _pixels: next(pixels_left))
    settings = SETTINGS.model_copy(update={"before_detection": ("tests.end_to_end.hooks:negative",)})
    bench = Bench(settings=settings)
    with pytest.raises(HookError, match="hooks:negative failed on a chip"):
        bench.process(PlantedDetector(PLANTED))
    assert len(list(Archive(bench.store).answers(IMAGE, bench.version(settings)))) == 3


def test_a_hook_after_merging_changes_what_is_written_and_ordinals_stay_without_gaps():
    settings = SETTINGS.model_copy(update={"after_merging": ("tests.end_to_end.hooks:reversed_lazily",)})
    done = Bench(settings=settings).process(PlantedDetector(PLANTED))
    assert [(one.ordinal, one.label) for one in done.labels] == [(0, "Car"), (1, "Boat")]
    settings = SETTINGS.model_copy(update={"after_merging": ("tests.end_to_end.hooks:only_the_left_half",)})
    done = Bench(settings=settings).process(PlantedDetector(PLANTED))
    assert (done.labels, done.described.labels) == ([], ())


def test_a_hook_that_looks_at_pixels_of_an_archived_image_opens_it_then():
    bench = Bench()
    bench.process(PlantedDetector(PLANTED))
    opened = []

    @contextmanager
    def opener(image: ImageRef, *, etag: str | None, mask: SideFile | None = None) -> Iterator:
        opened.append(etag)
        with bench.opener(image, etag=etag) as source:
            yield source

    settings = SETTINGS.model_copy(update={"after_merging": ("tests.end_to_end.hooks:looks_at_pixels",)})
    bench.process(Nobody(), open_raster=opener, settings=settings)
    assert opened == [bench.facts.etag]


def test_labels_come_in_reading_order():
    rows = [PlantedObject("Car", 90.0, PixelBox(col, row, col + 9, row + 9)) for row in (200, 20) for col in (300, 30)]
    done = Bench().process(PlantedDetector(rows))
    assert [one.pixel_box[:2] for one in done.labels] == [(30, 20), (300, 20), (30, 200), (300, 200)]


def test_a_label_that_is_everywhere_is_one_region_over_the_chips_that_were_sent():
    bench = Bench(border_px=BORDER_PX)
    [region] = bench.process(PlantedDetector([PlantedObject("Harbor", 60.0, None)])).labels
    assert (region.kind, region.chips) == ("region", CHIPS - BLANK)
    assert region.pixel_box == (128.0, 0.0, WIDTH, HEIGHT)


def test_detections_below_the_least_confidence_are_left_out_whatever_the_engine_says():
    settings = SETTINGS.model_copy(update={"min_confidence": 80.0})
    done = Bench(settings=settings).process(PlantedDetector(PLANTED))
    assert [one.label for one in done.labels] == ["Car"]


def test_the_windows_asked_about_are_the_grids():
    detector = Noted(PlantedDetector(PLANTED))
    Bench().process(detector)
    assert len(set(detector.windows)) == CHIPS
    assert detector.windows[0] == Window(col_off=0, row_off=0, width=128, height=128)


class Broken:
    """Speaks nonsense of some chips; with several calls under way."""

    def __init__(self, *bad: int, in_flight: int = 4) -> None:
        self.bad, self.in_flight, self.calls = bad, in_flight, 0

    def _ask(self, chip: Chip) -> Answer:
        number, self.calls = self.calls, self.calls + 1
        [said] = PlantedDetector(PLANTED).detect([chip], keep=lambda: None)
        return replace(said, body=b"<html>") if number in self.bad else said

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        return call_all(chips, self._ask, keep=keep, flow=Flow(calls_in_flight=self.in_flight))


def test_after_a_bad_answer_no_call_is_started_and_those_under_way_are_kept():
    bench, broken = Bench(), Broken(2)
    with pytest.raises(AnswerError):
        bench.process(broken)
    assert 3 <= broken.calls <= 3 + 2 * broken.in_flight
    again = Noted(PlantedDetector(PLANTED))
    done = bench.process(again, epoch=EPOCH + 1)
    assert len(again.windows) == CHIPS - broken.calls + 1  # all that was paid is known, but for the bad one
    assert facts_of(done) == facts_of(Bench().process(PlantedDetector(PLANTED)))


def test_a_bad_answer_is_asked_for_again_and_the_new_one_counts():
    bench = Bench()
    with pytest.raises(AnswerError):
        bench.process(Broken(CHIPS - 1, in_flight=1))
    assert not bench.archived()
    again = Noted(PlantedDetector(PLANTED))
    bench.process(again, epoch=EPOCH + 1)
    assert len(again.windows) == 1
    assert bench.archived()
    assert facts_of(bench.process(Nobody(), epoch=EPOCH + 2)) == facts_of(Bench().process(PlantedDetector(PLANTED)))


class RefusesAll:
    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        for chip in chips:
            yield ChipRejected(chip.frame, code="HTTP 422", message="which model?")


def test_a_detector_that_refuses_every_chip_fails_the_image_and_may_be_asked_again():
    bench = Bench()
    with pytest.raises(AnswerError, match=f"refused all {CHIPS} chips; the first: HTTP 422: which model"):
        bench.process(RefusesAll())
    assert not bench.archived()
    done = bench.process(PlantedDetector(PLANTED), epoch=EPOCH + 1)
    assert (len(done.labels), done.described.chips.sent, done.described.chips.rejected) == (2, CHIPS, 0)


def test_an_archive_that_fails_once_loses_no_answer():
    bench, broken = Bench(), Broken()

    class FailsOnce(MemoryArchiveStore):
        failures = 1

        def put(self, key: str, body: bytes) -> None:
            if key.endswith(".gz") and self.failures:
                self.failures -= 1
                raise UnavailableError("the archive is away")
            super().put(key, body)

    bench.store = FailsOnce()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batch_job.spend.archive.PART_ANSWERS", 5)
        with pytest.raises(UnavailableError):
            bench.process(broken)
    again = Noted(PlantedDetector(PLANTED))
    bench.process(again, epoch=EPOCH + 1)
    assert broken.calls + len(again.windows) == CHIPS


def test_the_lease_is_kept_while_the_archive_is_read():
    bench = Bench()
    bench.process(PlantedDetector(PLANTED))
    with pytest.raises(LeaseLostError):
        bench.process(Nobody(), keeper=Holding(looks=CHIPS - 1), epoch=EPOCH + 1)


WITH_OVERVIEW = SETTINGS.model_copy(update={"overview_pass": True})
SHIP = PlantedObject("Ship", 88.0, PixelBox(20, 40, 360, 300))
"""Larger than any chip."""


def test_the_whole_image_is_looked_at_last_in_one_small_picture_and_counted():
    bench, detector = Bench(settings=WITH_OVERVIEW), Noted(PlantedDetector((*PLANTED, SHIP)))
    processed = bench.process(detector)
    assert detector.windows[-1] == Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)
    assert len(detector.windows) == processed.described.chips.total == CHIPS + 1
    assert bench.archived()


def test_an_object_larger_than_a_chip_is_found_whole_and_once():
    processed = Bench(settings=WITH_OVERVIEW).process(PlantedDetector((*PLANTED, SHIP)))
    [ship] = [one for one in processed.labels if one.label == "Ship"]
    assert ship.pixel_box == pytest.approx((20, 40, 360, 300), abs=4)
    assert not ship.touches_edge
    assert sorted(one.label for one in processed.labels) == ["Boat", "Car", "Ship"]


def test_the_overview_is_the_same_when_some_chips_were_asked_about_before():
    pictures = []

    class Watched(Noted):
        def detect(self, chips, *, keep):
            def watched():
                for chip in chips:
                    if chip.frame.window.width == WIDTH:
                        pictures.append(chip.body)
                    yield chip

            return super().detect(watched(), keep=keep)

    Bench(settings=WITH_OVERVIEW).process(Watched(PlantedDetector(PLANTED)))
    resumed = Bench(settings=WITH_OVERVIEW)
    with pytest.raises(LeaseLostError):
        resumed.process(PlantedDetector(PLANTED), keeper=Holding(looks=9))
    resumed.process(Watched(PlantedDetector(PLANTED)), epoch=EPOCH + 1)
    assert len(pictures) == 2
    assert pictures[0] == pictures[1]
