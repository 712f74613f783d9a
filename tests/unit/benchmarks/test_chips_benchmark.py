import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from benchmarks import wide
from benchmarks.wide import WideImage

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_a_quick_run_prints_one_row_a_unit_with_ours_the_peers_and_ratios(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.chips", "--quick", "--json", "--folder", str(tmp_path)]
    ended = subprocess.run([*command, "--only", "COG, JPEG blocks"], capture_output=True, check=True)
    rows = json.loads(ended.stdout)["rows"]
    assert [(row["case"], row["unit"]) for row in rows] == [
        ("COG, JPEG blocks", "chips/s"),
        ("COG, JPEG blocks", "chips/CPU s"),
    ]
    for row in rows:
        assert {"case", "unit", "ours", "naive", "ratio_naive", "sahi", "ratio_sahi", "peak_mb"} <= row.keys()
        assert row["ratio_naive"] == pytest.approx(row["ours"] / row["naive"], rel=0.02)


def test_an_unknown_case_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.chips", "--wide", "--only", "plain JPEG", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "no such case: plain JPEG" in ended.stderr


@pytest.mark.parametrize(
    "image",
    [
        WideImage(512, 512),
        WideImage(256, 128, bits=16, bands=4),
        WideImage(512, 512, jpeg=True),
        WideImage(2_000, 16),
        WideImage(2_000, 1, bits=16, bands=4),
    ],
    ids=lambda image: image.file_name,
)
def test_a_wide_image_is_what_it_says_and_every_block_is_there(
    image: WideImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "SIDE_PX", 2_000)
    path = image.make(tmp_path)
    made = path.stat().st_mtime_ns
    assert image.make(tmp_path).stat().st_mtime_ns == made
    with rasterio.open(path) as opened:
        assert (opened.width, opened.height, opened.count) == (2_000, 2_000, image.bands)
        assert opened.block_shapes[0] == (image.block_height, image.block_width)
        first = opened.read(window=Window(0, 0, 200, 16))
        below = opened.read(window=Window(0, image.block_height * 3, 200, image.block_height))
        np.testing.assert_array_equal(first[:, : image.block_height], below[:, :16])
        assert first.std() > 1
