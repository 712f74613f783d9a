"""Settings: read once, every problem named at once."""

import pytest

from batch_job.errors import SettingsError
from batch_job.settings import PipelineSettings, PlannerSettings


def loaded(monkeypatch: pytest.MonkeyPatch, settings: PipelineSettings) -> PipelineSettings:
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    return PipelineSettings.load()


def test_every_field_survives_the_environment(monkeypatch):
    settings = PipelineSettings.load(
        detector="http@http://127.0.0.1:9/x",
        chip_px=512,
        overlap_px=17,
        min_confidence=12.5,
        encoding="png",
        jpeg_quality=77,
        stretch="per_band",
        bands="5,3,2",
        overview_pass=False,
        target_gsd_m=0.35,
        calls_in_flight=3,
        before_detection=("math:floor", "math:ceil"),
        after_merging=("math:sqrt",),
        settings_revision=4,
        lease_s=30,
        budget_table="stack-budget.1",
        backfill_calls_per_s=47.5,
        live_calls_per_s=0.25,
        include_labels=("Boat", "Car"),
        exclude_labels=("Toy",),
        dem="s3://maps/heights.tif",
        requester_pays=True,
        stack="Harbour-2",
        log_level="debug",
    )
    assert loaded(monkeypatch, settings) == settings


def test_an_argument_beats_the_environment_beats_the_default(monkeypatch):
    assert PipelineSettings.load().chip_px == 1024
    monkeypatch.setenv("BACKFILL_CHIP_PX", "640")
    assert PipelineSettings.load().chip_px == 640
    assert PipelineSettings.load(chip_px=800).chip_px == 800


def test_the_overlap_is_a_fifth_of_the_chip_unless_told():
    assert PipelineSettings.load(chip_px=512).overlap_px == 102
    assert PipelineSettings.load(chip_px=512, overlap_px=0).overlap_px == 0


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError) as error:
        PipelineSettings.load(chip_px=5, jpeg_quality=0, detector="magic", before_detection="nowhere:nothing")
    for name in ("CHIP_PX", "JPEG_QUALITY", "DETECTOR", "BEFORE_DETECTION"):
        assert f"BACKFILL_{name}:" in str(error.value)
    assert "nowhere" in str(error.value)


@pytest.mark.parametrize("overlap_px", [80, 81])
def test_an_overlap_of_a_whole_chip_is_refused(overlap_px):
    with pytest.raises(SettingsError, match="under chip_px"):
        PipelineSettings.load(chip_px=80, overlap_px=overlap_px)


@pytest.mark.parametrize(
    "changed",
    [
        {"chip_px": 512},
        {"overlap_px": 1},
        {"min_confidence": 1.0},
        {"encoding": "png"},
        {"jpeg_quality": 50},
        {"stretch": "per_band"},
        {"bands": "sentinel2"},
        {"overview_pass": False},
        {"target_gsd_m": 0.3},
        {"before_detection": ("math:floor",)},
        {"detector": "http@http://127.0.0.1:1"},
    ],
)
def test_whatever_changes_an_answer_changes_the_detection_fingerprint_alone(changed):
    before, after = PipelineSettings.load(), PipelineSettings.load(**changed)
    assert before.detection_fingerprint != after.detection_fingerprint
    assert before.index_fingerprint == after.index_fingerprint


def test_what_happens_after_detection_changes_the_index_fingerprint_alone():
    before, after = PipelineSettings.load(), PipelineSettings.load(after_merging=("math:floor",))
    assert before.index_fingerprint != after.index_fingerprint
    assert before.detection_fingerprint == after.detection_fingerprint


@pytest.mark.parametrize("name", ["include_labels", "exclude_labels"])
def test_which_labels_are_chosen_changes_the_index_fingerprint_alone(name):
    before, after = PipelineSettings.load(), PipelineSettings.load(**{name: "Car,Boat"})
    assert before.index_fingerprint != after.index_fingerprint
    assert before.detection_fingerprint == after.detection_fingerprint
    alike = PipelineSettings.load(**{name: ("boat", "CAR", "Boat")})
    assert alike.index_fingerprint == after.index_fingerprint


def test_a_dem_changes_the_index_fingerprint_alone():
    before, after = PipelineSettings.load(), PipelineSettings.load(dem="heights.tif")
    assert before.index_fingerprint != after.index_fingerprint != PipelineSettings.load(dem="b.tif").index_fingerprint
    assert before.detection_fingerprint == after.detection_fingerprint


@pytest.mark.parametrize("dem", ["", "heights.tif", "../a b.tif", "/data/heights.tif", "s3://maps/a/heights 1.tif"])
def test_a_dem_is_a_path_or_an_object(dem):
    assert PipelineSettings.load(dem=dem).dem == dem


@pytest.mark.parametrize("dem", ["https://maps.example/dem.tif", "s3://maps", "s3://maps/", "WCS:https://x", "s3:///a"])
def test_nothing_else_is_a_dem(dem):
    with pytest.raises(SettingsError, match=r"BACKFILL_DEM: .*names no file; write a path, or s3://BUCKET/KEY"):
        PipelineSettings.load(dem=dem)


def test_to_include_is_not_to_exclude():
    one, other = PipelineSettings.load(include_labels="Car"), PipelineSettings.load(exclude_labels="Car")
    assert one.index_fingerprint != other.index_fingerprint


def test_an_index_made_by_this_version_stays_as_it_is():
    assert PipelineSettings.load().index_fingerprint == "f428dc6c6ebb0f6c"


@pytest.mark.parametrize("bands", ["auto", "3,2,1", "1", "12", "sentinel2", "naip", "bgr", " 5, 3,2 ", "Landsat8"])
def test_bands_are_numbers_or_an_order_with_a_name(bands):
    assert PipelineSettings.load(bands=bands).bands == bands.replace(" ", "").lower()


@pytest.mark.parametrize("bands", ["", "0,1,2", "1,2", "1,2,3,4", "spot5", "-1", "1,2,x", "99999"])
def test_other_bands_are_refused_by_name(bands):
    with pytest.raises(SettingsError, match=r"BACKFILL_BANDS: .* neither auto nor band numbers"):
        PipelineSettings.load(bands=bands)


def test_how_fast_we_call_changes_neither():
    slow = {"calls_in_flight": 1, "budget_table": "budget", "backfill_calls_per_s": 0.5, "live_calls_per_s": 0.5}
    before, after = PipelineSettings.load(), PipelineSettings.load(lease_s=10, settings_revision=9, **slow)
    assert before.detection_fingerprint == after.detection_fingerprint
    assert before.index_fingerprint == after.index_fingerprint


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), "fast"])
def test_calls_a_second_are_a_number_above_zero(wrong):
    with pytest.raises(SettingsError) as error:
        PipelineSettings.load(backfill_calls_per_s=wrong, live_calls_per_s=wrong, budget_table="a b")
    for name in ("BACKFILL_CALLS_PER_S", "LIVE_CALLS_PER_S", "BUDGET_TABLE"):
        assert f"BACKFILL_{name}:" in str(error.value)


PLANNER = {
    "bucket": "imagery",
    "runs_uri": "s3://runs/a/b",
    "index_url": "https://search.example",
    "plan_queue_url": "https://sqs.example/1/plan",
    "job_queue": "backfill",
    "job_definition": "child:3",
}


def test_every_field_of_the_planner_survives_the_environment(monkeypatch):
    settings = PlannerSettings.load(
        **PLANNER,
        include_prefixes=("a/", "b c/"),
        exclude_prefixes=("a/raw/",),
        include_suffixes=(".TIF",),
        exclude_suffixes=("_mask.tif",),
        index_prefix="mine",
        chip_px=512,
    )
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    assert PlannerSettings.load() == settings
    assert settings.include_suffixes == (".tif",)


def test_a_planner_without_filters_takes_every_image(monkeypatch):
    for name, value in PlannerSettings.load(**PLANNER).to_env().items():
        monkeypatch.setenv(name, value)
    settings = PlannerSettings.load()
    assert (settings.include_prefixes, settings.include_suffixes) == ((), ())


def test_a_planner_makes_the_plans_of_the_workers_settings():
    assert PlannerSettings.load(**PLANNER).index_fingerprint == PipelineSettings.load().index_fingerprint


def test_all_that_a_planner_lacks_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        PlannerSettings.load(runs_uri="work/a")
    for name in ("BUCKET", "RUNS_URI", "INDEX_URL", "PLAN_QUEUE_URL", "JOB_QUEUE", "JOB_DEFINITION"):
        assert f"BACKFILL_{name}:" in str(error.value)
