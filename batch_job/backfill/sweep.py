"""The sweep: after the last CSV of a bucket's run is planned, what the rows alone cannot tell.

The ledger is compared with all keys of the inventory, side files too. Then old labels are deleted and forgotten.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from batch_job.backfill.child import LEFT_IN_A_ROW, STOPS
from batch_job.backfill.endings import Ending, WorkEnd, said
from batch_job.backfill.listed_keys import CHUNK_ENTRIES, Comparison, ListedKeys
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.backfill.shards import SWEEP_DONE, RunFolder
from batch_job.backfill.superseding import is_behind
from batch_job.errors import (
    DeploymentError,
    HandedBackError,
    InputError,
    SetUpError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from batch_job.ledger.nightly import Area, Unfinished, Unforgotten, Visit, nightly
from batch_job.ledger.reconcile import Reconciler
from batch_job.metrics import NO_METRICS, Metrics
from batch_job.tally import Tally
from batch_job.values.image import ImageRef
from batch_job.values.inventory import Manifest, Scope
from batch_job.values.ledger import LedgerEntry
from batch_job.values.work import Outcome

log = structlog.get_logger()


class _SupersededError(Exception):
    """A newer run of the bucket is active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One run's sweep, over the services. It may begin again at any time, and several may run at once."""

    folder: RunFolder
    reconciler: Reconciler
    visit: Visit
    """Reconciles an image and logs its line; looks at ``orders`` before each paid call."""
    tell: Callable[[Unforgotten], None]
    """Logs what the pass left."""
    orders: Orders
    tally: Tally
    """Empty at first; counts what ``visit`` does."""
    metrics: Metrics = NO_METRICS
    now: Callable[[], float] = time.monotonic
    """Seconds."""

    def run(self) -> WorkEnd:
        """Compare, reconcile what differs, do the pass; says how that ended, in a line of log and one of metrics too.

        The line is an interface: ``sweep.done``, with ``run_id``, ``outcome`` (a ``WorkEnd``), ``error`` (null or
        why), ``images``, ``errors``, ``chips``, ``calls``, ``labels``, ``exit_code`` and ``duration_ms``.
        """
        ending = Ending(tally=self.tally, began=self.now(), metrics=self.metrics, now=self.now)
        with structlog.contextvars.bound_contextvars(run_id=self.folder.run_id):
            end, error = self._tried(ending)
            ending.tell("sweep.done", end, error)
        return end

    def _tried(self, ending: Ending) -> tuple[WorkEnd, str | None]:
        try:
            return self._swept(ending)
        except _SupersededError:
            return WorkEnd.SUPERSEDED, None
        except (HandedBackError, EndAtOnce) as error:
            return (WorkEnd.ENDED if self.orders.ending else WorkEnd.PAUSED), said(error)
        except TransientError as error:
            return (WorkEnd.ENDED if self.orders.ending else WorkEnd.LEFT), said(error)
        except (DeploymentError, InputError) as error:
            return WorkEnd.REFUSED, said(error)
        except Exception as error:
            log.exception("sweep.defect")
            return WorkEnd.DEFECT, said(error)

    def _swept(self, ending: Ending) -> tuple[WorkEnd, str | None]:
        manifest = self.folder.manifest()
        if manifest.request.scope is not Scope.BUCKET:
            raise SetUpError(f"run {self.folder.run_id} lists some keys only, and says nothing of the others")
        if self.folder.done(SWEEP_DONE) is not None:
            return WorkEnd.DONE_BEFORE, None
        steps = _Steps(self.tally, self.tell)
        area = Area(manifest.source_bucket)
        images = self._contradicted(manifest)
        night = nightly(self.reconciler, images, areas=[area], visit_one=self.visit, keep=self.orders.check)
        for ended in night:
            steps.take(ended)
        if steps.left:
            return WorkEnd.LEFT, steps.error
        if steps.defects:
            return WorkEnd.DEFECT, steps.error
        self.folder.write_done(ending.marker(SWEEP_DONE))
        return WorkEnd.DONE, None

    def _contradicted(self, manifest: Manifest) -> Iterator[ImageRef]:
        self._check(manifest)
        listed = ListedKeys.together(self.folder.keys(file.id) for file in manifest.files)
        comparison = Comparison(listed=listed, has_etags="ETag" in manifest.columns, began_ms=manifest.created_ms)
        return comparison.contradicted(self._entries(manifest))

    def _entries(self, manifest: Manifest) -> Iterator[LedgerEntry]:
        for number, stored in enumerate(self.reconciler.ledger.entries(bucket=manifest.source_bucket)):
            if number % CHUNK_ENTRIES == 0:
                self._check(manifest)
            yield stored.entry

    def _check(self, manifest: Manifest) -> None:
        """Look whether to go on.

        Raises:
            HandedBackError, _SupersededError: no.
        """
        self.orders.check()
        if is_behind(self.folder.store, manifest):
            raise _SupersededError


class _Steps:
    """Counts what the night's steps came to, and ends the night when no other step would fare better."""

    def __init__(self, tally: Tally, tell: Callable[[Unforgotten], None]) -> None:
        self._tally, self._tell = tally, tell
        self._in_a_row = self.left = self.defects = 0
        self.error: str | None = None

    def take(self, ended: Outcome | Unfinished | Unforgotten) -> None:
        """Count one.

        Raises:
            HandedBackError: this worker is to stop.
            TransientError: the next steps would fare the same for now.
        """
        if isinstance(ended, (Unfinished, Unforgotten)):
            self._keep_in_mind(ended)
        else:
            # an image that another worker has at this moment is none that was forgotten
            self._in_a_row = 0
            self._tally.ended(ended)

    def _keep_in_mind(self, ended: Unfinished | Unforgotten) -> None:
        error = ended.error
        if isinstance(error, (HandedBackError, *STOPS)):
            raise error
        self.error = said(error)
        if isinstance(ended, Unforgotten):
            self._tell(ended)
        else:
            self._tally.left()
        if isinstance(error, TransientError):
            self.left += 1
        else:
            self.defects += 1
        self._in_a_row = self._in_a_row + 1 if isinstance(error, (ThrottledError, UnavailableError)) else 0
        if self._in_a_row >= LEFT_IN_A_ROW:
            raise error
