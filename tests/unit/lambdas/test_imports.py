"""What each door brings into memory; ``benchmarks/imports.py`` says how long that takes."""

import subprocess
import sys

import pytest

PIXELS_AND_PLACES = {"rasterio", "shapely", "pyproj", "PIL", "simplejpeg", "antimeridian"}
SEARCH_CLIENT = {"opensearchpy", "requests"}


def imported(module: str) -> set[str]:
    """Give the top-level packages that a new process has after an import."""
    program = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


@pytest.mark.parametrize("name", ["plan_inventory", "set_up_inventory", "set_up_search"])
def test_a_lambda_that_opens_no_image_has_nothing_that_reads_or_places_pixels(name):
    assert not imported(f"lambdas.{name}") & PIXELS_AND_PLACES


def test_the_planner_imports_the_search_client_when_it_opens_one():
    assert not imported("lambdas.plan_inventory") & SEARCH_CLIENT


def test_whoever_works_on_images_has_all_in_memory_when_the_first_comes():
    assert imported("lambdas.on_object") > PIXELS_AND_PLACES | SEARCH_CLIENT
