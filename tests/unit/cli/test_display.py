"""What is shown while a run works."""

import io
from itertools import islice

import pytest
from rich.console import Console
from rich.live import Live

from batch_job import logs
from batch_job.cli.display import ConsoleFile, in_words, plain_periods_s


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (48, "48 s"),
        (119.4, "119 s"),
        (119.6, "1 min"),
        (120, "2 min"),
        (2217, "36 min"),
        (7199, "119 min"),
        (7200, "2 h 0 min"),
        (7500, "2 h 5 min"),
        (3_600_000, "1,000 h 0 min"),
    ],
)
def test_times_are_told_as_a_person_tells_them(seconds, words):
    assert in_words(seconds) == words


def test_plain_lines_come_ever_more_seldom_up_to_every_five_minutes():
    assert list(islice(plain_periods_s(), 9)) == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_log_events_stand_above_the_live_line_whole():
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=30, highlight=False)
    file = ConsoleFile(console)
    event = '{"event": "image.done", "image": "s3://b/[bold]k.tif", "outcome": "indexed"}'
    with Live("the live line", console=console, auto_refresh=False) as live:
        for piece in (event[:20], event[20:], "\n"):
            file.write(piece)
            live.refresh()
    text = seen.getvalue()
    assert event in text
    assert text.index(event) < text.rindex("the live line")


def test_events_go_to_the_file_that_is_given():
    import structlog

    seen = io.StringIO()
    logs.configure("info", file=seen)
    try:
        structlog.get_logger().info("image.done")
    finally:
        structlog.reset_defaults()
    assert '"event": "image.done"' in seen.getvalue()
