"""Draws a border case, for docs/quality.md: what four chips saw, what SAHI makes of it, and what we do.

``python -m benchmarks.border_picture`` writes docs/images/border.png.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.border_peers import PEERS, Merger
from benchmarks.border_quality import Case, ours
from benchmarks.border_scene import IDEAL, KINDS, LABELS, Truth, Views, plant

OUT = Path("docs/images/border.png")
CASE = Case(KINDS[1], "1024/5 %", IDEAL, overview=False)
SEED = 0
SAHI = PEERS[0]
PANEL_PX = 420
MARGIN_PX = 12
CAPTION_PX = 26
SHOWN_PX = 700
"""Side of the square shown, pixels of the scene."""
PAPER, GROUND, INK, BORDER = (255, 255, 255), (52, 58, 54), (30, 30, 30), (150, 150, 150)
COLOURS = ((235, 90, 80), (250, 190, 60), (90, 160, 250))
"""Of the labels."""
FILLS = ((96, 60, 56), (98, 84, 52), (56, 74, 100))

Floats = NDArray[np.float64]


def main() -> int:
    """Draw; give the exit code."""
    if SAHI.home.missing:
        print(f"SAHI is {SAHI.home.missing}", file=sys.stderr)
        return 1
    truth = plant(CASE.kind, SEED)
    views = CASE.look(truth, SEED)
    with Merger(SAHI) as sahi:
        theirs = sahi.merge(views)
    seen = np.column_stack((views.boxes, views.labels))
    corner = _corner(views)
    panels = (("what four chips saw", seen), ("SAHI, as it comes", theirs["sahi"]), ("ours", ours(views, CASE.grid)))
    whole = Image.new("RGB", (3 * PANEL_PX + 4 * MARGIN_PX, PANEL_PX + CAPTION_PX + 2 * MARGIN_PX), PAPER)
    for i, (caption, boxes) in enumerate(panels):
        place = (MARGIN_PX + i * (PANEL_PX + MARGIN_PX), MARGIN_PX)
        shown = _inside(boxes, corner)
        ImageDraw.Draw(whole).text(place, f"{caption}: {len(shown)} boxes", INK, ImageFont.load_default(size=16))
        whole.paste(_panel(truth, views, shown, corner), (place[0], place[1] + CAPTION_PX))
    whole.save(OUT, optimize=True)
    print(OUT)
    return 0


def _corner(views: Views) -> NDArray[Any]:
    """Find the place where four chips meet and most halves lie."""
    lows = np.array([(frame.window.col_off, frame.window.row_off) for frame in views.frames], dtype=float)
    corners = lows[(lows > 0).all(axis=1)] + 25 - SHOWN_PX / 2
    seen = np.column_stack((views.boxes, views.labels))
    most = int(np.argmax([len(_inside(seen, corner)) for corner in corners]))
    return np.asarray(corners[most])


def _inside(boxes: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    middles = (boxes[:, :2] + boxes[:, 2:4]) / 2 - corner
    return np.asarray(boxes[((middles > 0) & (middles < SHOWN_PX)).all(axis=1)])


def _panel(truth: Truth, views: Views, boxes: Floats, corner: Floats) -> Image.Image:
    panel = Image.new("RGB", (PANEL_PX, PANEL_PX), GROUND)
    canvas = ImageDraw.Draw(panel)
    for box, label in zip(truth.boxes, truth.labels.tolist(), strict=True):
        canvas.rectangle(_scaled(box, corner), fill=FILLS[label])
    for frame in views.frames:
        window = frame.window
        edges = (window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)
        canvas.rectangle(_scaled(edges, corner), outline=BORDER)
    for *box, label in boxes.tolist():
        canvas.rectangle(_scaled(box, corner), outline=COLOURS[int(label) % len(LABELS)], width=3)
    return panel


def _scaled(edges: Sequence[float] | Floats, corner: Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = (np.asarray(edges) - np.tile(corner, 2)) * (PANEL_PX / SHOWN_PX)
    return float(left), float(top), float(right), float(bottom)


if __name__ == "__main__":
    sys.exit(main())
