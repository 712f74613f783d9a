"""What every night does beside the new: visit what is due, then delete and forget labels that nobody can be writing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from batch_job.errors import ConflictError, DeploymentError
from batch_job.ledger import generations
from batch_job.ledger.reconcile import Reconciler
from batch_job.ports import Keep, Ledger
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State, StoredEntry
from batch_job.values.work import Outcome


@dataclass(frozen=True, slots=True)
class Area:
    """All keys of a bucket under a prefix."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A visit that found no end this time; the next may."""

    image: ImageRef
    error: Exception
    """Transient, or a defect that one image brought to light: the door logs it, its neighbours go on."""


@dataclass(frozen=True, slots=True)
class Unforgotten:
    """Labels that the pass could not delete and forget this time."""

    image: ImageRef
    error: Exception
    """As of a visit."""


Visit = Callable[[ImageRef], Outcome | Unfinished]


def visit(reconcile: Callable[[ImageRef], Outcome], image: ImageRef) -> Outcome | Unfinished:
    """Reconcile an image; what goes wrong with it alone is a value, so that its neighbours go on.

    Raises:
        DeploymentError: stop; no image would fare better.
    """
    try:
        return reconcile(image)
    except DeploymentError:
        raise
    except Exception as error:  # noqa: BLE001  one image must not end the night; its claim is released
        return Unfinished(image, error)


def _go_on() -> None:
    """Never end."""


def nightly(
    reconciler: Reconciler,
    images: Iterable[ImageRef],
    *,
    areas: Sequence[Area],
    visit_one: Visit | None = None,
    keep: Keep = _go_on,
) -> Iterator[Outcome | Unfinished | Unforgotten]:
    """Visit each image, then do the pass.

    Args:
        reconciler: Whose settings must be the newest.
        images: Pulled one by one; see ``and_unlisted``.
        areas: Where the pass is done.
        visit_one: In place of ``visit``: with the door's own log, say.
        keep: Called before each step; raises to end the night.

    Yields:
        One for each visit, then one for each entry that the pass could not finish.
    """
    go = visit_one or partial(visit, reconciler.reconcile)
    for image in images:
        keep()
        yield go(image)
    for area in areas:
        yield from forget_dead_labels(reconciler, area, keep=keep)


def and_unlisted(ledger: Ledger, images: Iterable[ImageRef], area: Area) -> Iterator[ImageRef]:
    """Yield the images of a listing of an area, then those that the ledger alone has there.

    Remembers the listing, about 150 bytes an image; the ledger is asked when that is through.
    """
    listed: set[ImageRef] = set()
    for image in images:
        listed.add(image)
        yield image
    for stored in ledger.entries(bucket=area.bucket, prefix=area.prefix):
        if stored.entry.image not in listed and stored.entry.state is not State.REMOVED:
            yield stored.entry.image


def forget_dead_labels(reconciler: Reconciler, area: Area, *, keep: Keep = _go_on) -> Iterator[Unforgotten]:
    """Do the nightly pass over the ledger's entries; yields those that could not be finished.

    Args:
        reconciler: Whose ports are used.
        area: Whose entries are looked at.
        keep: Called before each; raises to end the pass.
    """
    for stored in reconciler.ledger.entries(bucket=area.bucket, prefix=area.prefix):
        keep()
        try:
            forget(reconciler, stored)
        except ConflictError:
            continue  # somebody works on it; the next night sees it again
        except DeploymentError:
            raise
        except Exception as error:  # noqa: BLE001  as with a visit
            yield Unforgotten(stored.entry.image, error)


def forget(reconciler: Reconciler, stored: StoredEntry) -> None:
    """Delete the labels of an entry that are dead and that nobody can be writing any more, *then* forget them.

    The entry may be an old reading of the ledger: the dead stay dead, and the write over it is a compare-and-set.

    Raises:
        ConflictError: the entry was written since it was read.
    """
    entry = stored.entry
    now_ms = reconciler.writer.now_ms(entry.image)
    gone = generations.forgettable(entry, now_ms=now_ms)
    for labels in gone:
        reconciler.labels.delete(entry.image, labels)
    if gone:
        reconciler.writer.strike_off(stored, gone)
    elif generations.may_go(entry, now_ms=now_ms):
        reconciler.ledger.delete(entry.image, over=stored.seen)
