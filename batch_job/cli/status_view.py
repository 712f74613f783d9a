"""A deployment's status for people: one screen, or one line. Pure."""

from collections.abc import Iterator, Mapping

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

NAME_CELLS = 9
BAR_CELLS = 40
_STATES = (
    JobState.SUBMITTED,
    JobState.PENDING,
    JobState.RUNNABLE,
    JobState.STARTING,
    JobState.RUNNING,
    JobState.FAILED,
)
"""The last is an alarm."""
_ALARM = "bold red"
_GIVEN_UP = {Messages.PLAN: Messages.PLAN_DEAD_LETTERS, Messages.LIVE: Messages.LIVE_DEAD_LETTERS}


def screen(status: Status) -> RenderableType:
    """Give all of it, what wants a person first."""
    parts: list[RenderableType] = [Text(f"{status.stack}   {_moment(status.at_ms)}", style="bold")]
    parts += [_concern(one) for one in concerns(status)] or [Text("nothing wants attention", style="green")]
    for run in (*([status.run] if status.run else ()), *status.parts):
        parts += [Text(), *_run(run, status.at_ms)]
    if status.messages or status.jobs:
        parts += [Text(), _waiting(status)]
    parts += [Text(), _failures(status)]
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


def _concern(one: Concern) -> Text:
    text = Text.assemble(("! ", "bold red"), (one.text, "red"), overflow="fold")
    return text.append(f"\n  {one.cure}") if one.cure else text


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
    bar.add_row(share, f"{_percent(visited, planned)} %", _time_left(run))
    yield bar
    yield _facts(_run_facts(run, now_ms))


def _run_facts(run: RunStatus, now_ms: int) -> Iterator[tuple[str, str]]:
    progress, counts = run.progress, run.progress.counts
    yield "CSVs", f"{progress.files_planned:,} of {progress.files:,} planned; sweep {progress.sweep}"
    yield "Found", f"{run.found:,}: {counts.new:,} new, {counts.changed:,} changed, {counts.done:,} unchanged"
    yield "Images", f"{run.done:,} done, {run.failed:,} failed, {progress.left:,} left"
    ended = "" if run.last_ended_ms is None else f", the last {in_words(max(0, now_ms - run.last_ended_ms) / 1000)} ago"
    yield "Shards", f"{progress.shards_done:,} of {progress.shards:,} done{ended}"
    yield "Calls", f"{progress.calls:,}{_rate(run.pace)}; {progress.labels:,} labels"
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
    if run.progress.finished:
        return "finished"
    if run.seconds_left is None:
        return "time left unknown" if run.progress.left or not run.progress.files_planned else "all visited"
    more = "" if run.progress.files_planned == run.progress.files else ", and what is not planned yet"
    return f"about {in_words(run.seconds_left)} left{more}"


def _facts(facts: Iterator[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=NAME_CELLS, style="dim")
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(name, fact)
    return table


def _waiting(status: Status) -> Table:
    """Put both kinds of queues side by side: messages on the left, jobs on the right."""
    both = Table.grid(padding=(0, 4))
    both.add_row(_messages(status.messages), _jobs(status.jobs))
    return both


def _messages(depths: Mapping[Messages, Depth]) -> Table:
    table = _table("Messages", "waiting", "in flight", "delayed", "given up")
    for queue, dead_letters in _GIVEN_UP.items():
        depth, given_up = depths.get(queue), depths.get(dead_letters)
        counts = (None,) * 3 if depth is None else (depth.waiting, depth.in_flight, depth.delayed)
        alarm = _number(None if given_up is None else given_up.messages, style=_ALARM)
        table.add_row(str(queue), *map(_number, counts), alarm)
    return table


def _jobs(queues: Mapping[Jobs, JobCounts]) -> Table:
    table = _table("Jobs", *(str(state).lower() for state in _STATES))
    for queue in Jobs:
        jobs = queues.get(queue)
        counts = [None if jobs is None else jobs.by_state.get(state, 0) for state in _STATES]
        table.add_row(str(queue), *map(_number, counts[:-1]), _number(counts[-1], style=_ALARM))
    return table


def _table(name: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(name)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _number(n: int | None, style: str = "") -> Text:
    if n is None:
        return Text("?", style="yellow")
    return Text(f"{n:,}", style=style if n else "dim")


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
