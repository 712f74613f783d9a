from batch_job.backfill.plan import Filters
from batch_job.settings import PlannerSettings
from batch_job.values.image import IMAGE_SUFFIXES
from batch_job.wiring.planner import rules_of

SETTINGS = {
    "bucket": "imagery",
    "runs_uri": "s3://runs/a/b",
    "index_url": "https://search.example",
    "plan_queue_url": "https://sqs.example/1/plan",
    "job_queue": "backfill",
    "job_definition": "child:3",
}


def test_without_filters_every_image_is_planned():
    assert rules_of(PlannerSettings.load(**SETTINGS)).filters == Filters(include_suffixes=IMAGE_SUFFIXES)


def test_filters_are_those_of_the_settings():
    given = {"include_prefixes": ("a/",), "exclude_prefixes": ("a/b",), "exclude_suffixes": ("_x.tif",)}
    filters = Filters(**given, include_suffixes=(".tif",))
    assert rules_of(PlannerSettings.load(**SETTINGS, **given, include_suffixes=(".TIF",))).filters == filters


def test_work_is_expected_by_the_step_from_chip_to_chip():
    rules = rules_of(PlannerSettings.load(**SETTINGS, chip_px=1000, overlap_px=100))
    assert rules.sizing.chip_stride_px == 900
    assert rules.sizing.max_part_chips is None


def test_rows_are_compared_under_the_workers_index_fingerprint():
    settings = PlannerSettings.load(**SETTINGS, after_merging=("math:sqrt",))
    assert rules_of(settings).index_fingerprint == settings.index_fingerprint
