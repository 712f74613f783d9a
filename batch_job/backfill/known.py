"""What the ledger knows of a bucket, reduced to hashes: one scan for each run, not a question for each key."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Self

import numpy as np
from numpy.typing import NDArray

from batch_job.errors import ErrorCode
from batch_job.values.inventory import InventoryRow
from batch_job.values.ledger import LedgerEntry, State

Hashes = NDArray[np.uint64]
"""Sorted. With 10 million entries and as many rows the chance that one image is taken for done by accident is 5e-6."""

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
                keys.append(_hash(entry.image.key))
            version = _hash(entry.image.key, entry.version.etag, entry.version.index_fingerprint)
            if entry.error_code is ErrorCode.ARCHIVED:
                archived.append(version)
            elif finished:
                done.append(version)
        return cls(_sorted(keys), _sorted(done), _sorted(archived))

    def standings(self, rows: Sequence[InventoryRow], *, index_fingerprint: str) -> list[Standing]:
        """Tell how each row stands; many rows at once are faster."""
        keys = _has(self.keys, [_hash(row.key) for row in rows])
        versions = [_hash(row.key, row.etag or "", index_fingerprint) for row in rows]
        done, archived = _has(self.done, versions), _has(self.archived, versions)
        return [
            _standing(row, known=key, done=version, archived=frozen)
            for row, key, version, frozen in zip(rows, keys, done, archived, strict=True)
        ]

    def to_bytes(self) -> bytes:
        """Encode as the run's hash file."""
        sets = (self.keys, self.done, self.archived)
        lengths = np.array([len(hashes) for hashes in sets], dtype="<u8")
        return b"".join([_MAGIC, lengths.tobytes(), *(hashes.astype("<u8", copy=False).tobytes() for hashes in sets)])

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Decode what ``to_bytes`` wrote.

        Raises:
            ValueError: it is no hash file, or not the whole of one.
        """
        if not body.startswith(_MAGIC) or (len(body) - len(_MAGIC)) % 8:
            raise ValueError(f"not a hash file: {body[:16]!r}")
        numbers = np.frombuffer(body, dtype="<u8", offset=len(_MAGIC)).astype(np.uint64, copy=False)
        ends = np.cumsum(numbers[:3])
        if int(ends[2]) != len(numbers) - 3:
            raise ValueError(f"a hash file of {len(numbers) - 3} instead of {int(ends[2])} hashes")
        keys, done, archived = np.split(numbers[3:], ends[:2].astype(np.int64))
        return cls(keys, done, archived)


def _standing(row: InventoryRow, *, known: np.bool_, done: np.bool_, archived: np.bool_) -> Standing:
    if done or (archived and row.readable is False):
        return Standing.DONE
    return Standing.CHANGED if known else Standing.NEW


def _hash(*facts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(facts).encode(), digest_size=8).digest(), "little")


def _sorted(hashes: "array[int]") -> Hashes:
    return np.sort(np.frombuffer(hashes, dtype=np.uint64)) if hashes else np.empty(0, dtype=np.uint64)


def _has(hashes: Hashes, wanted: Sequence[int]) -> NDArray[np.bool_]:
    sought = np.array(wanted, dtype=np.uint64)
    if not len(hashes):
        return np.zeros(len(sought), dtype=bool)
    at = np.minimum(np.searchsorted(hashes, sought), len(hashes) - 1)
    found: NDArray[np.bool_] = hashes[at] == sought
    return found
