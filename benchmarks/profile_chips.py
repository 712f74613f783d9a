"""Where the processor time of our chips goes, by stage, whatever thread it is spent in.

``python -m benchmarks.profile_chips`` prints a row for each case of ``benchmarks.chips``. Decoding and encoding, each
done once, are the floor: no reader of the same decoder and encoder needs less.
"""

import functools
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from batch_job.adapters.jpeg_blocks import CodedPiece
from batch_job.adapters.jpeg_stream import JpegStream
from batch_job.adapters.packed_blocks import PackedPiece
from batch_job.adapters.ranges import RangedObject
from batch_job.adapters.raster_pieces import Cutter
from batch_job.adapters.raster_pixels import PixelReader
from batch_job.imagery.picture import Picture
from benchmarks import side_chips
from benchmarks.chips import CHIP_PX, OVERLAP_PX, WHOLE_PX
from benchmarks.pipeline import scenes, task_of
from benchmarks.set_up import FOLDER
from benchmarks.task import Chips

STAGES: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("fetch", RangedObject, ("read", "fetch")),
    ("decode", PixelReader, ("raw", "interleaved", "masks")),
    ("decode", CodedPiece, ("decode",)),
    ("decode", PackedPiece, ("decode",)),
    ("decode", JpegStream, ("read",)),
    ("stretch", Picture, ("_rgb",)),
    ("cut", Cutter, ("_joined",)),
    ("blank", side_chips, ("is_blank",)),
    ("encode", side_chips, ("encode",)),
)
NAMES = ("fetch", "decode", "stretch", "cut", "blank", "encode")


class Stopwatch:
    """Counts each thread's processor time for the innermost stage that it is in."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside = threading.local()
        self._adding = threading.Lock()

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Give the same function, watched."""

        @functools.wraps(work)
        def watched(*args: Any, **named: Any) -> Any:
            outer, self._inside.seconds = getattr(self._inside, "seconds", 0.0), 0.0
            began = time.thread_time()
            try:
                return work(*args, **named)
            finally:
                took = time.thread_time() - began
                with self._adding:
                    self.seconds[stage] += took - self._inside.seconds
                self._inside.seconds = outer + took

        return watched


def main() -> int:
    """Profile every case."""
    print("case", *NAMES, "rest", "all", "floor", sep="\t")
    watch = Stopwatch()
    for stage, owner, names in STAGES:
        for name in names:
            setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    for case, scene in scenes(*WHOLE_PX).items():
        task = replace(task_of(scene, FOLDER / "scenes"), chip_px=CHIP_PX, overlap_px=OVERLAP_PX)
        watch.seconds.clear()
        noted = Chips()
        report = noted.timed(functools.partial(side_chips.cut, task, noted))
        spent = [watch.seconds[name] for name in NAMES]
        floor = watch.seconds["decode"] + watch.seconds["encode"]
        figures = (*spent, report.cpu_seconds - sum(spent), report.cpu_seconds, floor)
        print(case, *(f"{seconds:.2f}" for seconds in figures), sep="\t", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
