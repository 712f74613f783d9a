"""What a person sees while a run works: one live line on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.live import Live
from rich.text import Text

from batch_job.ports import Count
from batch_job.tally import Tally

TERMINAL_PERIOD_S, PLAIN_PERIOD_S = 0.25, 5.0
LONGEST_PLAIN_PERIOD_S = 300.0
"""Plain lines come ever more seldom, up to this: a log of a night's run is to be read by somebody."""

_MINUTE_S, _HOUR_S = 60, 3600
_BAR_CELLS = 24


class Share:
    """How far a run is: by bytes, as far as they are known, the image under way by its chips."""

    def __init__(self, tally: Tally, sizes: Sequence[int]) -> None:
        """Take the size of every image to come, bytes."""
        self._tally = tally
        self.total, self.done = len(sizes), 0
        self._bytes, self._bytes_done, self._size = sum(sizes), 0, 0
        self._chips_before = self._chips_done_before = 0

    @contextmanager
    def image(self, size: int) -> Iterator[None]:
        """Mark one image as under way."""
        self._size = size
        self._chips_before, self._chips_done_before = self._tally.counts[Count.CHIPS], chips_done(self._tally)
        try:
            yield
        finally:
            self._bytes_done, self._size = self._bytes_done + size, 0
            self.done += 1

    @property
    def fraction(self) -> float:
        """Give 0-1."""
        if not self._bytes:
            return self.done / self.total if self.total else 1.0
        planned = self._tally.counts[Count.CHIPS] - self._chips_before
        looked_at = chips_done(self._tally) - self._chips_done_before
        under_way = self._size * looked_at / planned if planned else 0.0
        return min((self._bytes_done + under_way) / self._bytes, 1.0)


def chips_done(tally: Tally) -> int:
    """Count the chips of which all is known."""
    return sum(tally.counts[count] for count in (Count.ANSWERS, Count.REJECTED, Count.BLANK, Count.KEPT))


def stderr_console(*, quiet: bool = False) -> Console:
    """Open stderr, or nothing; rich leaves colours out when it is no terminal."""
    return Console(file=sys.stderr, highlight=False, quiet=quiet)


@contextmanager
def watched(tally: Tally, share: Share, *, console: Console) -> Iterator[None]:
    """Show a run's progress while the block runs, and once more after it."""
    began = time.monotonic()

    def line() -> Text:
        return _line(tally, share, seconds=time.monotonic() - began)

    with shown(line, console=console):
        yield
    console.print(line(), soft_wrap=True)


@contextmanager
def shown(line: Callable[[], Text], *, console: Console) -> Iterator[None]:
    """Show a line, asked for anew each time, while the block runs; from a thread that only reads.

    Whatever else is printed meanwhile must go through the same console, or it lands in the middle of the live line.
    """
    over = Event()

    def on_terminal() -> None:
        with Live(line(), console=console, transient=True, auto_refresh=False) as live:
            while not over.wait(TERMINAL_PERIOD_S):
                live.update(line(), refresh=True)

    def plain() -> None:
        for period_s in plain_periods_s():
            if over.wait(period_s):
                return
            console.print(line(), soft_wrap=True)

    shower = Thread(target=on_terminal if console.is_terminal else plain, name="display", daemon=True)
    shower.start()
    try:
        yield
    finally:
        over.set()
        shower.join()


def plain_periods_s() -> Iterator[float]:
    """Yield the seconds between plain lines: each twice the one before."""
    period_s = PLAIN_PERIOD_S
    while True:
        yield period_s
        period_s = min(2 * period_s, LONGEST_PLAIN_PERIOD_S)


class ConsoleFile:
    """A file that is a console, so that log events do not tear its live line; fits what ``logs.configure`` takes."""

    def __init__(self, console: Console) -> None:
        """Print whole lines to ``console``."""
        self._console, self._begun = console, ""

    def write(self, text: str) -> int:
        """Take text; lines are printed when they are whole."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: half a line would be torn."""


def _line(tally: Tally, share: Share, *, seconds: float) -> Text:
    counts = tally.counts
    done = chips_done(tally)
    calls = counts[Count.ANSWERS] + counts[Count.REJECTED]
    filled = round(_BAR_CELLS * share.fraction)
    parts = [
        f"images {share.done}/{share.total}",
        f"chips {done:,}/{counts[Count.CHIPS]:,}",
        f"calls {calls:,}",
        f"labels {counts[Count.LABELS]:,}",
        f"{done / max(seconds, 0.001):.0f} chips/s",
        _time_left(share.fraction, seconds),
    ]
    if counts[Count.THROTTLED]:
        parts.insert(3, f"throttled {counts[Count.THROTTLED]:,}")
    bar = Text("━" * filled, style="green") + Text("━" * (_BAR_CELLS - filled), style="dim")
    return bar + Text("  " + "  ".join(parts))


def _time_left(fraction: float, seconds: float) -> str:
    if fraction >= 1:
        return f"{in_words(seconds)} in all"
    if fraction <= 0:
        return "time left unknown"
    return f"{in_words(seconds * (1 - fraction) / fraction)} left"


def in_words(seconds: float) -> str:
    """Give a time as a person says it, in one unit or two: ``48 s``, ``36 min``, ``2 h 5 min``."""
    if round(seconds) < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // _MINUTE_S
    if seconds < 2 * _HOUR_S:
        return f"{minutes} min"
    return f"{minutes // 60:,} h {minutes % 60} min"
