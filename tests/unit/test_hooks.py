"""A user's own code: what it may do, and what becomes of an image when it does something else."""

from dataclasses import replace

import numpy as np
import pytest

from batch_job.errors import ErrorCode, HookError, SettingsError, UnavailableError
from batch_job.hooks import MergedImage, correct, refine
from batch_job.settings import PipelineSettings
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Feature, ImageDetection, Kind, Label, PixelBox, Window
from examples.hooks import MARGIN_PX, grey_world, save_cut_outs

HOOKS = "tests.end_to_end.hooks"
PIXELS = np.random.default_rng(1).integers(0, 255, (3, 40, 60), dtype=np.uint8)


def feature(left: float, *, kind: Kind = Kind.OBJECT, label: str = "Swimming Pool") -> Feature:
    box = PixelBox(left, 10, left + 10, 20)
    window = Window(col_off=0, row_off=0, width=60, height=40)
    detection = ImageDetection(Label(label), 90.0, kind, box, (window,))
    return Feature(detection, footprint=None, center=None, area_m2=None, length_m=None)


def read_rgb(window: Window) -> np.ndarray:
    return PIXELS[:, window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width]


IMAGE = MergedImage(ImageRef("b", "k.tif"), width=60, height=40, read_rgb=read_rgb)
FEATURES = [feature(left) for left in (0, 20, 45)]


def test_without_hooks_everything_stays_as_it_is():
    assert correct(PIXELS, ()) is PIXELS
    assert refine(FEATURES, IMAGE, ()) == FEATURES


def test_hooks_before_detection_are_applied_in_order():
    corrected = correct(PIXELS, (f"{HOOKS}:negative", f"{HOOKS}:darker"))
    assert (corrected == (255 - PIXELS) // 2).all()


@pytest.mark.parametrize("hook", ["as_floats", "cropped", "rows_last", "gives_nothing"])
def test_pixels_of_another_shape_or_type_are_refused_by_the_hooks_name(hook):
    with pytest.raises(HookError, match=rf"{HOOKS}:{hook} must give uint8 pixels of shape \(3, 40, 60\)"):
        correct(PIXELS, (f"{HOOKS}:{hook}",))


def test_what_a_hook_raises_is_named_and_kept_as_the_cause():
    with pytest.raises(HookError, match=f"{HOOKS}:divides_by_zero failed on a chip: ZeroDivisionError") as raised:
        correct(PIXELS, (f"{HOOKS}:divides_by_zero",))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert raised.value.code is ErrorCode.BAD_HOOK
    with pytest.raises(HookError, match=f"{HOOKS}:divides_by_zero failed on s3://b/k.tif: ZeroDivisionError"):
        refine(FEATURES, IMAGE, (f"{HOOKS}:divides_by_zero",))


def test_hooks_after_merging_are_applied_in_order_and_may_be_generators():
    hooks = (f"{HOOKS}:reversed_lazily", f"{HOOKS}:only_the_left_half")
    assert refine(FEATURES, IMAGE, hooks) == [FEATURES[0]]
    assert refine(FEATURES, IMAGE, hooks[:1]) == FEATURES[::-1]


def test_a_hook_that_gives_nothing_leaves_the_features():
    assert refine(FEATURES, IMAGE, (f"{HOOKS}:raises_over_two_objects",)) == FEATURES


@pytest.mark.parametrize(
    ("hook", "what"),
    [
        ("gives_words", "must give features or None for s3://b/k.tif"),
        ("gives_a_number", "failed on s3://b/k.tif: TypeError"),
        ("fails_lazily", "failed on s3://b/k.tif: KeyError"),
    ],
)
def test_what_gives_no_features_is_refused(hook, what):
    with pytest.raises(HookError, match=f"{HOOKS}:{hook} {what}"):
        refine(FEATURES, IMAGE, (f"{HOOKS}:{hook}",))


def test_what_goes_wrong_while_pixels_are_read_is_not_the_hooks_fault():
    def away(_window: Window) -> np.ndarray:
        raise UnavailableError("S3 is away")

    with pytest.raises(UnavailableError, match="S3 is away"):
        refine(FEATURES, replace(IMAGE, read_rgb=away), (f"{HOOKS}:looks_at_pixels",))


def test_a_hook_may_look_at_pixels():
    red = [one for one in FEATURES if PIXELS[0, 15, int(one.detection.box.min_col) + 5] > 200]
    assert refine(FEATURES, IMAGE, (f"{HOOKS}:looks_at_pixels",)) == red


@pytest.mark.parametrize("name", ["no_such_module:hook", f"{HOOKS}:missing", f"{HOOKS}", f"{HOOKS}:HOOKS", ":", ""])
def test_a_hook_that_cannot_be_imported_is_a_wrong_setting(name):
    with pytest.raises(SettingsError, match="BACKFILL_BEFORE_DETECTION"):
        PipelineSettings.load(before_detection=(name,))


def test_a_hook_before_detection_is_part_of_the_detection_fingerprint_and_one_after_merging_of_the_indexs():
    plain = PipelineSettings.load()
    before = PipelineSettings.load(before_detection=f"{HOOKS}:negative")
    after = PipelineSettings.load(after_merging=f"{HOOKS}:only_the_left_half")
    assert before.detection_fingerprint != plain.detection_fingerprint == after.detection_fingerprint
    assert after.index_fingerprint != plain.index_fingerprint == before.index_fingerprint


def test_the_example_takes_out_a_colour_cast():
    cast = (PIXELS * np.array([0.9, 0.5, 0.3])[:, None, None]).astype(np.uint8)
    means = correct(cast, ("examples.hooks:grey_world",)).reshape(3, -1).mean(axis=1)
    assert np.ptp(means) < 2
    assert grey_world(np.zeros((3, 2, 2), np.uint8)).dtype == np.uint8


def test_the_example_saves_a_cut_out_of_every_object_and_of_no_region(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("CUT_OUTS", str(tmp_path))
    save_cut_outs([*FEATURES, feature(0, kind=Kind.REGION)], IMAGE)
    saved = sorted(path.name for path in (tmp_path / IMAGE.image.id).iterdir())
    assert saved == [f"{n:06d}-Swimming_Pool.png" for n in range(3)]
    with Image.open(tmp_path / IMAGE.image.id / saved[1]) as cut_out:
        assert cut_out.size == (10 + 2 * MARGIN_PX, 10 + 2 * MARGIN_PX)
    with Image.open(tmp_path / IMAGE.image.id / saved[0]) as cut_out:
        assert cut_out.size == (10 + MARGIN_PX, 10 + 2 * MARGIN_PX)  # no farther than the image
