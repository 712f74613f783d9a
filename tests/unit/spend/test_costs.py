"""docs/costs.md: every figure follows from the prices."""

import re
from pathlib import Path

import pytest

from batch_job.imagery.grid import count
from batch_job.settings import DeploySettings
from batch_job.spend.prices import PRICES, REKOGNITION_USD_PER_CALL, batch_of_images, idle_month
from batch_job.values.spaces import ChipGrid

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALARMS = 8
"""``tests/unit/infra/test_alarms.py`` counts them in the template."""
SETTINGS = DeploySettings(bucket="scenes")


def row(first: str, page: str = PAGE) -> list[str]:
    [found] = [line for line in page.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip(" *") for cell in found.strip("|").split("|")]


def test_the_idle_month_follows_from_the_prices_and_the_default_settings():
    items = dict(
        idle_month(
            instances=SETTINGS.search_instances, volume_gb=SETTINGS.search_volume_gb, objects=200_000, alarms=ALARMS
        )
    )
    for item, usd in items.items():
        assert float(row(item)[1]) == pytest.approx(usd, abs=0.006)
    assert float(row("**together**")[1]) == pytest.approx(sum(items.values()), abs=0.01)


@pytest.mark.parametrize(
    ("images", "side"),
    [("up to 1,024 x 1,024 px", 1024), ("4,000 x 4,000 px", 4000), ("10,000 x 10,000 px", 10_000)],
)
def test_a_thousand_images_follow_from_the_grid_and_the_prices(images, side):
    _, chips, calls_usd, workers_usd = row(images)
    grid = ChipGrid(image_width=side, image_height=side, chip_px=1024, overlap_px=1024 // 5)
    assert int(chips) == count(grid)
    costs = dict(batch_of_images(images=1000, chips=count(grid), calls_per_s=4, workers=3))
    assert float(calls_usd) == pytest.approx(costs["Rekognition"])
    assert float(workers_usd) == pytest.approx(costs["workers on demand"], abs=0.006)


def test_the_calls_a_second_bound_the_hour():
    bound = SETTINGS.backfill_calls_per_s * 3600 * REKOGNITION_USD_PER_CALL
    assert f"are at most {bound:.2f} USD an hour" in re.sub(r"\s+", " ", PAGE)


def test_every_price_says_where_it_was_seen():
    assert all(price.seen and price.unit and price.usd > 0 for price in PRICES.values())


def test_the_readme_says_the_same():
    _, said = row("a month in which nothing new comes", README)
    assert said.startswith(f"{float(row('**together**')[1]):.0f}, ")
    for first, images in (
        ("1,000 images of up to 1,024 x 1,024 px (one chip)", "up to 1,024 x 1,024 px"),
        ("1,000 images of 10,000 x 10,000 px (144 chips)", "10,000 x 10,000 px"),
    ):
        _, _, calls_usd, workers_usd = row(images)
        assert float(row(first, README)[1]) == pytest.approx(float(calls_usd) + float(workers_usd))


def test_figures_cost_what_the_prices_say():
    assert f"14 metrics of {PRICES['metric'].usd:.2f} USD" in re.sub(r"\s+", " ", PAGE)
