import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.codecs import CASES, check_agreement
from benchmarks.sides import DisagreementError


def test_a_quick_run_prints_a_row_with_the_time_of_each_library(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.codecs", "--quick", "--json", "--folder", str(tmp_path)]
    ended = subprocess.run([*command, "--only", "JPEG"], capture_output=True, check=True)
    [row] = json.loads(ended.stdout)["rows"]
    assert {"case", "unit", "used", "ours", "rasterio", "simplejpeg"} <= row.keys()
    assert row["ours"] == row["simplejpeg"] > 0


def test_every_codec_of_a_cog_is_a_case() -> None:
    assert {case.codec for case in CASES.values()} == {"deflate", "lzw", "zstd", "webp", "jpeg"}


def test_libraries_that_decode_other_pixels_are_no_row() -> None:
    one, other = {"means": [5.0, 6.0], "digests": [1, 2]}, {"means": [5.1, 6.0], "digests": [1, 3]}
    check_agreement("x", other, one, is_exact=False)
    with pytest.raises(DisagreementError, match="x decodes other pixels"):
        check_agreement("x", other, one, is_exact=True)
    with pytest.raises(DisagreementError):
        check_agreement("x", {"means": [5.6, 6.0], "digests": [1, 2]}, one, is_exact=False)
