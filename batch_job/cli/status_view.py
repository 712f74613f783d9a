"""A deployment's status for people: one screen, or one line. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batch_job.backfill.concerns import Concern, concerns
from batch_job.backfill.pace import Pace
from batch_job.backfill.status import RunStatus, Status, iso
from batch_job.cli.display import in_words
from batch_job.values.inventory import Scope
from batch_job.values.queues import Depth, JobCounts, Jobs, JobState, Messages
from batch_job.values.work import Redo

NAME_CELLS = 13
BAR_CELLS = 30
_DAY_S = 24 * 60 * 60
_UNKNOWN = Text("not known", style="yellow")
_ALARM = "bold red"
_GIVEN_UP = {Messages.PLAN: Messages.PLAN_DEAD_LETTERS, Messages.LIVE: Messages.LIVE_DEAD_LETTERS}


def screen(status: Status) -> RenderableType:
    """Give all of it, what wants a person first."""
    parts: list[RenderableType] = [Text(f"{status.stack}   {_moment(status.at_ms)}", style="bold")]
    found = concerns(status)
    parts.append(_concerns(found) if found else Text("nothing wants attention", style="green"))
    for run in (*([status.run] if status.run else ()), *status.others):
        parts += [Text(), *_run(run, status.at_ms)]
    parts += [Text(), _facts(_waiting(status)), Text(), _failures(status)]
    return Group(*parts)


def line(status: Status) -> str:
    """Give the essence of it, for logs."""
    words = [iso(status.at_ms), status.stack]
    if status.run is not None:
        words += [_essence(status.run)]
    words += [
        f"{queue} jobs: {jobs.waiting:,} waiting, {jobs.working:,} at work" for queue, jobs in status.jobs.items()
    ]
    words += [f"! {one.text}" for one in concerns(status)]
    return "  ".join(words)


def _essence(run: RunStatus) -> str:
    words = [f"run {run.progress.run_id}: {run.done:,} done", f"{run.failed:,} failed", f"{run.progress.left:,} left"]
    if run.pace is not None:
        words.append(f"{run.pace.calls_per_s:.1f} calls/s")
    return ", ".join([*words, _time_left(run)])


def _concerns(found: Iterable[Concern]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(overflow="fold")
    for one in found:
        table.add_row(Text("!", style=_ALARM), Text(one.text, style="red"))
        if one.cure:
            table.add_row("", one.cure)
    return table


def _run(run: RunStatus, now_ms: int) -> Iterator[RenderableType]:
    progress = run.progress
    whole = "" if run.request.scope is Scope.BUCKET else ", a part of the bucket"
    redo = "" if run.request.redo is Redo.NOTHING else f", redo {run.request.redo}"
    head = f"Run {progress.run_id}, inventory of {_moment(progress.inventory_ms)}{whole}{redo}"
    yield Text(head, style="bold")
    planned = progress.counts.items
    visited = planned - progress.left
    bar = Table.grid(padding=(0, 2))
    share = ProgressBar(total=max(planned, 1), completed=visited if planned else 1, width=BAR_CELLS)
    of_all = "" if progress.files_planned == progress.files else " of what is planned"
    bar.add_row(share, f"{_percent(visited, planned)} %{of_all}", _time_left(run))
    yield bar
    yield _facts(_run_facts(run, now_ms))


def _run_facts(run: RunStatus, now_ms: int) -> Iterator[tuple[str, str | Text]]:
    progress, counts = run.progress, run.progress.counts
    yield "CSVs", f"{progress.files_planned:,} of {progress.files:,} planned; sweep {progress.sweep}"
    yield "Found", f"{run.found:,}: {counts.new:,} new, {counts.changed:,} changed, {counts.done:,} unchanged"
    yield "Images", f"{run.done:,} done, {run.failed:,} failed, {progress.left:,} left"
    ended = "" if run.last_ended_ms is None else f", the last {_span(max(0, now_ms - run.last_ended_ms) / 1000)} ago"
    yield "Shards", f"{progress.shards_done:,} of {progress.shards:,} done{ended}"
    saved = f"; {progress.blank_chips:,} blank chips not sent" if progress.blank_chips else ""
    yield "Calls", f"{progress.calls:,}{_rate(run.pace)}{saved}; {progress.labels:,} labels"
    if progress.errors:
        yield "Errors", _counted(progress.errors)
    if progress.swept:
        yield "Swept", _counted(progress.swept)


def _rate(pace: Pace | None) -> str:
    if pace is None:
        return ""
    over = f"{pace.shards:,} shard{'' if pace.shards == 1 else 's'} in {in_words(pace.seconds)}"
    return f", {pace.calls_per_s:.1f}/s ({over})"


def _time_left(run: RunStatus) -> str:
    progress = run.progress
    if progress.finished:
        return "finished"
    if run.seconds_left is not None:
        return f"about {_span(run.seconds_left)} left"
    visited = not progress.left and progress.files_planned == progress.files
    return "paused" if run.paused else "all visited" if visited else "time left unknown"


def _span(seconds: float) -> str:
    return f"{seconds / _DAY_S:,.0f} days" if seconds > 2 * _DAY_S else in_words(seconds)


def _facts(facts: Iterator[tuple[str, str | Text]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=NAME_CELLS, style="dim")
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(name, fact)
    return table


def _waiting(status: Status) -> Iterator[tuple[str, str | Text]]:
    """Tell what is in queues, leaving out what is not."""
    for queue in Jobs:
        jobs = status.jobs.get(queue)
        yield f"{queue} jobs".capitalize(), _UNKNOWN if jobs is None else _states(jobs)
    for messages, dead_letters in _GIVEN_UP.items():
        depth, given_up = status.messages.get(messages), status.messages.get(dead_letters)
        told = _given_up(_UNKNOWN if depth is None else _depth(depth), given_up)
        shut = not status.open_doors.get(messages, True)
        yield f"{messages} queue".capitalize(), told + Text("; its door is shut", style="red") if shut else told


def _states(jobs: JobCounts) -> Text:
    counts = [(n, str(state).lower()) for state in JobState if (n := jobs.by_state.get(state))]
    return _listed(counts)


def _depth(depth: Depth) -> Text:
    counts = ((depth.waiting, "waiting"), (depth.in_flight, "in flight"), (depth.delayed, "delayed"))
    return _listed([(n, name) for n, name in counts if n])


def _given_up(told: Text, depth: Depth | None) -> Text:
    if depth is None:
        return told + Text("; given up: not known", style="yellow")
    return told + Text(f"; {depth.messages:,} given up", style="red") if depth.messages else told


def _listed(counts: Sequence[tuple[int, str]]) -> Text:
    return Text(", ".join(f"{n:,} {name}" for n, name in counts) or "empty", style="" if counts else "dim")


def _failures(status: Status) -> Text:
    if "failed_images" in status.unknown:
        return Text("Failed images: not known", style="yellow")
    if not status.failures:
        return Text("No image of the bucket is recorded as failed.")
    listing = f"imagery-backfill --stack {status.stack} failures list"
    return Text(f"Failed images: {_counted(status.failures)}\n  {listing}", overflow="fold")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items(), key=lambda at: (-at[1], at[0])))


def _percent(part: int, whole: int) -> int:
    """Give whole percents; 100 only when nothing is left."""
    return 100 * part // whole if whole else 100


def _moment(ms: int) -> str:
    return iso(ms).replace("T", " ").removesuffix("Z") + " UTC"
