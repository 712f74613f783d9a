"""The server in docs/detectors.md is run as it is printed."""

import io
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from batch_job.adapters.calls import Flow, Patience
from batch_job.adapters.http_detector import HttpDetector
from batch_job.detection.answers import parse
from batch_job.values.answers import RawAnswer
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipDetection, ChipFrame, PixelBox, Window

DOC = Path(__file__).parents[3] / "docs" / "detectors.md"
FRAME = ChipFrame(Window(col_off=0, row_off=0, width=120, height=100), 120, 100, 120, 100)
UNTIL_IT_LISTENS = Patience(unavailable_attempts=10_000, max_elapsed_s=20, base_s=0.02, max_delay_s=0.02)


def printed_server() -> str:
    [code] = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), flags=re.DOTALL)
    return str(code)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    program = tmp_path / "model.py"
    program.write_text(printed_server(), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, program, str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


def look(url: str, picture: Image.Image) -> list[ChipDetection]:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    chip = Chip(ImageRef(bucket="b", key="k"), FRAME, encoded.getvalue(), "image/png")
    detector = HttpDetector(url, flow=Flow(calls_in_flight=1, patience=UNTIL_IT_LISTENS))
    [answer] = detector.detect([chip], keep=lambda: None)
    detector.close()
    assert isinstance(answer, RawAnswer)
    return parse(answer, min_confidence=55)


@pytest.mark.server
def test_the_printed_server_finds_what_is_bright(url: str) -> None:
    dark = Image.new("RGB", (120, 100), (60, 70, 80))
    bright = dark.copy()
    bright.paste((250, 250, 240), (30, 20, 70, 45))
    assert look(url, dark) == []
    [found] = look(url, bright)
    assert (found.label.name, found.confidence, found.box) == ("bright", 90.0, PixelBox(30.0, 20.0, 70.0, 45.0))


def test_the_printed_server_has_about_twenty_lines() -> None:
    assert len([line for line in printed_server().splitlines() if line.strip()]) <= 22
