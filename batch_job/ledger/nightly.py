"""What every night does beside the new: visit everything, then delete and forget labels that nobody can be writing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batch_job.errors import ConflictError, DeploymentError
from batch_job.ledger import generations
from batch_job.ledger.reconcile import Reconciler
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State, StoredEntry
from batch_job.values.work import Outcome


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A visit that found no end this time; the next may."""

    image: ImageRef
    error: Exception
    """Transient, or a defect that one image brought to light: the door logs it, its neighbours go on."""


def visit(reconciler: Reconciler, image: ImageRef) -> Outcome | Unfinished:
    """Reconcile an image; what goes wrong with it alone is a value, so that its neighbours go on.

    Raises:
        DeploymentError: stop; no image would fare better.
    """
    try:
        return reconciler.reconcile(image)
    except DeploymentError:
        raise
    except Exception as error:  # noqa: BLE001  one image must not end the night; its claim is released
        return Unfinished(image, error)


def nightly(
    reconciler: Reconciler, images: Iterable[ImageRef], *, bucket: str, prefix: str = ""
) -> Iterator[Outcome | Unfinished]:
    """Visit each image, then every other entry of the ledger under the prefix, then do the pass.

    Args:
        reconciler: Whose settings must be the newest.
        images: Of a listing. Remembers each (about 150 bytes).
        bucket: Whose entries are visited.
        prefix: Under which the listing was made; entries elsewhere are left alone.

    Yields:
        One for each visit, and an ``Unfinished`` for each entry that the pass could not finish.
    """
    visited: set[ImageRef] = set()
    for image in images:
        visited.add(image)
        yield visit(reconciler, image)
    for stored in reconciler.ledger.entries(bucket=bucket, prefix=prefix):
        if stored.entry.image not in visited and stored.entry.state is not State.REMOVED:
            yield visit(reconciler, stored.entry.image)
    yield from forget_dead_labels(reconciler, bucket=bucket, prefix=prefix)


def forget_dead_labels(reconciler: Reconciler, *, bucket: str, prefix: str = "") -> Iterator[Unfinished]:
    """Do the nightly pass over the ledger's entries; yields those that could not be finished."""
    for stored in reconciler.ledger.entries(bucket=bucket, prefix=prefix):
        try:
            forget(reconciler, stored)
        except ConflictError:
            continue  # somebody works on it; the next night sees it again
        except DeploymentError:
            raise
        except Exception as error:  # noqa: BLE001  as with a visit
            yield Unfinished(stored.entry.image, error)


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
