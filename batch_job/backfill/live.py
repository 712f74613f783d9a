"""The live door: from a message to the index, one image after the other (``docs/live.md``)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from batch_job.backfill.events import Touched, read_hints
from batch_job.backfill.jobs import JobTask, job_parameters
from batch_job.backfill.objects import RUN_ID
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.backfill.plan import Filters
from batch_job.errors import HandedBackError, TransientError
from batch_job.ledger.looking import images_about
from batch_job.ports import JobQueue, ObjectStore
from batch_job.values.image import ImageRef
from batch_job.values.work import Outcome, Skipped, WorkItem

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDoor:
    """Takes messages for as long as its orders allow."""

    store: ObjectStore
    visit: Callable[[ImageRef], Outcome]
    """Reconciles an image and logs its line; looks at ``orders`` before each paid call."""
    jobs: JobQueue
    """Of the live lane."""
    orders: Orders
    filters: Filters
    bucket: str
    """The only one whose events are taken."""
    max_bytes: int
    """Larger objects are left to a job."""

    def take(self, body: str) -> None:
        """Make the index say what the bucket says of every image that a message is about.

        Raises:
            InputError: it is not about an object.
            HandedBackError: the live lane is paused.
            TransientError: not all images came to an end; the others did.
            DeploymentError: none would.
        """
        failures: list[TransientError] = []
        for image in dict.fromkeys(image for touched in read_hints(body) for image in self._images(touched)):
            try:
                self._take(image)
            except HandedBackError:
                raise
            except TransientError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _images(self, touched: Touched) -> Iterator[ImageRef]:
        """Yield the images that are worked on among those that an object is, or is beside of."""
        if touched.bucket != self.bucket:
            log.warning("event.of_another_bucket", bucket=touched.bucket, key=touched.key)
            return
        suffixes = self.filters.include_suffixes
        for image in images_about(self.store, bucket=touched.bucket, key=touched.key, suffixes=suffixes):
            if self.filters.accepts(image.key):
                yield image

    def _take(self, image: ImageRef) -> None:
        if self.orders.ending:
            raise TransientError(f"{image.uri}: no time left to begin it")
        self.orders.check()
        # what stands in the bucket, not what the event says: it may be of an earlier object, or of a side file
        facts = self.store.head(image)
        if facts is not None and facts.size > self.max_bytes:
            self._leave_to_a_job(image, facts.size, why="large")
            return
        try:
            with structlog.contextvars.bound_contextvars(run_id=RUN_ID):
                outcome = self.visit(image)
        except (HandedBackError, EndAtOnce):
            if not self.orders.ending:
                raise
            # the archive has what was paid; a second try here would only find as little time
            self._leave_to_a_job(image, 0 if facts is None else facts.size, why="slow")
            return
        if isinstance(outcome, Skipped) and outcome.worth_retrying:
            raise TransientError(f"{image.uri} is another worker's ({outcome.reason})")

    def _leave_to_a_job(self, image: ImageRef, size: int, *, why: str) -> None:
        item = WorkItem(image, size)
        job = self.jobs.submit(f"live-{image.id}", job_parameters(JobTask.OBJECT, item.to_text()))
        log.info("image.job", image=image.uri, size=size, reason=why, job=job)
