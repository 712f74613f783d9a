"""What the ledger knows of a bucket, reduced to hashes: one scan for each run, not a question for each key."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Self

import numpy as np

from batch_job.backfill.hashes import Hashes, from_bytes, has, hash_of, sorted_hashes, to_bytes
from batch_job.errors import ErrorCode
from batch_job.values.inventory import InventoryRow
from batch_job.values.ledger import LedgerEntry, State

_MAGIC = b"known\x00v1"


class Standing(StrEnum):
    """What the ledger says of a row that is an image's."""

    NEW = auto()
    """No worker has finished with this key before."""
    CHANGED = auto()
    """One has, of another version or under other settings; or the object was archived then and may be readable now."""
    DONE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Three sets of hashes, 8 bytes each: about 16 bytes an image."""

    keys: Hashes
    """Of images that a worker has finished with."""
    done: Hashes
    """... with their ETags and index fingerprints, except:"""
    archived: Hashes
    """... those that failed, or were put off, because they were archived."""

    @classmethod
    def of(cls, entries: Iterable[LedgerEntry]) -> Self:
        """Reduce the entries of one bucket; pulls them one by one."""
        keys, done, archived = array("Q"), array("Q"), array("Q")
        for entry in entries:
            finished = entry.state in (State.INDEXED, State.FAILED)
            if finished or entry.live is not None:
                keys.append(hash_of(entry.image.key))
            version = hash_of(entry.image.key, entry.version.etag, entry.version.index_fingerprint)
            if entry.error_code is ErrorCode.ARCHIVED:
                archived.append(version)
            elif finished:
                done.append(version)
        return cls(sorted_hashes(keys), sorted_hashes(done), sorted_hashes(archived))

    def standings(self, rows: Sequence[InventoryRow], *, index_fingerprint: str) -> list[Standing]:
        """Tell how each row stands; many rows at once are faster."""
        keys = has(self.keys, [hash_of(row.key) for row in rows])
        versions = [hash_of(row.key, row.etag or "", index_fingerprint) for row in rows]
        done, archived = has(self.done, versions), has(self.archived, versions)
        return [
            _standing(row, known=key, done=version, archived=frozen)
            for row, key, version, frozen in zip(rows, keys, done, archived, strict=True)
        ]

    def to_bytes(self) -> bytes:
        """Encode as the run's hash file."""
        return to_bytes(_MAGIC, self.keys, self.done, self.archived)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Decode what ``to_bytes`` wrote.

        Raises:
            ValueError: it is no hash file, or not the whole of one.
        """
        keys, done, archived = from_bytes(body, _MAGIC, sets=3)
        return cls(keys, done, archived)


def _standing(row: InventoryRow, *, known: np.bool_, done: np.bool_, archived: np.bool_) -> Standing:
    if done or (archived and row.readable is False):
        return Standing.DONE
    return Standing.CHANGED if known else Standing.NEW
