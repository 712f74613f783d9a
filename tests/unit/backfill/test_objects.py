"""One object as a job: a shard of one image that nobody planned and nobody marks."""

import pytest
from structlog.testing import capture_logs

from batch_job.adapters.memory_runs import MemoryMessageQueue, MemoryRunStore
from batch_job.backfill.child import Child
from batch_job.backfill.events import Touched, read_hints
from batch_job.backfill.objects import RUN_ID, ObjectJob, OneObject
from batch_job.backfill.orders import PAUSE_KEY, Orders
from batch_job.errors import AccessError, DeploymentError, HandedBackError, TransientError, UnavailableError
from batch_job.tally import Tally
from batch_job.values.budget import Lane
from batch_job.values.image import ImageRef
from batch_job.values.work import Indexed, Outcome, Skipped, SkipReason, WorkItem

ITEM = WorkItem(ImageRef("b", "ä b.tif"), 5 * 10**9)


class Job:
    """A job over services in memory, whose visits end as told."""

    def __init__(self, *ends: Outcome | BaseException, queue: MemoryMessageQueue | None = None):
        self.runs, self.ends, self.visited = MemoryRunStore(), list(ends), list[ImageRef]()
        self.orders = Orders(self.runs, lane=Lane.LIVE)
        child = Child(
            folder=OneObject(ITEM),
            visit=self._visit,
            orders=self.orders,
            tally=Tally(),
            lease_s=0,
            sleep=lambda _: None,
        )
        self.job = ObjectJob(child, ITEM, queue)

    def _visit(self, image: ImageRef) -> Outcome:
        self.visited.append(image)
        end = self.ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end


def test_the_object_is_visited_and_nothing_is_marked():
    job = Job(Indexed(ITEM.image, 1), Skipped(ITEM.image, SkipReason.SAME))
    assert job.job.run() == 0
    assert job.job.run() == 0  # the same object again, another version of it perhaps
    assert job.visited == [ITEM.image, ITEM.image]
    assert not job.runs.objects


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(UnavailableError("away"), TransientError.exit_code), (AccessError("denied"), DeploymentError.exit_code)],
)
def test_its_exit_codes_are_those_of_a_shard(error, exit_code):
    assert Job(error, error).job.run() == exit_code


def test_another_workers_object_is_batchs_to_retry():
    busy = Skipped(ITEM.image, SkipReason.BUSY)
    assert Job(busy, busy).job.run() == TransientError.exit_code


def test_a_job_that_is_told_to_end_is_retried_and_gives_nothing_back():
    queue = MemoryMessageQueue()
    job = Job(HandedBackError("end"), queue=queue)
    job.orders.end()
    assert job.job.run() == TransientError.exit_code
    assert queue.bodies == []


def test_a_paused_job_gives_its_object_back_to_the_queue_that_it_came_from():
    queue = MemoryMessageQueue()
    job = Job(queue=queue)
    job.runs.put(PAUSE_KEY, b'{"live": true}')
    assert job.job.run() == 0
    assert job.visited == []
    [body] = queue.bodies
    assert read_hints(body) == (Touched("b", "ä b.tif"),)


def test_an_object_that_newer_settings_have_goes_back_to_their_workers():
    queue = MemoryMessageQueue()
    job = Job(Skipped(ITEM.image, SkipReason.OLDER_SETTINGS), queue=queue)
    assert job.job.run() == 0
    [body] = queue.bodies
    assert read_hints(body) == (Touched("b", "ä b.tif"),)


def test_a_pause_of_the_backfill_does_not_concern_it():
    job = Job(Indexed(ITEM.image, 1), queue=MemoryMessageQueue())
    job.runs.put(PAUSE_KEY, b'{"live": false}')
    assert job.job.run() == 0
    assert job.visited == [ITEM.image]


def test_without_a_queue_a_paused_object_waits_for_the_next_inventory():
    job = Job()
    job.runs.put(PAUSE_KEY, b'{"live": true}')
    assert job.job.run() == 0


def test_an_object_that_cannot_be_given_back_is_batchs_to_retry():
    class Away(MemoryMessageQueue):
        def send(self, bodies):
            raise UnavailableError("the queue is away")

    job = Job(queue=Away())
    job.runs.put(PAUSE_KEY, b'{"live": true}')
    with capture_logs() as logs:
        assert job.job.run() == TransientError.exit_code
    assert logs[-1]["event"] == "object.not_given_back"


def test_it_leaves_one_line_of_log_under_the_name_of_all_that_nobody_planned():
    assert OneObject(ITEM).run_id == RUN_ID
    job = Job(Indexed(ITEM.image, 1))
    with capture_logs() as logs:
        job.job.run()
    assert [line["event"] for line in logs] == ["shard.done"]
