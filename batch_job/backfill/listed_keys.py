"""All keys of an inventory, reduced to hashes, and which ledger entries they contradict. Pure."""

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from batch_job.backfill.hashes import Hashes, from_bytes, has, hash_of, sorted_hashes, to_bytes
from batch_job.values.image import ImageRef, side_keys
from batch_job.values.inventory import InventoryRow, UnreadableRow
from batch_job.values.ledger import LedgerEntry, State

CHUNK_ENTRIES = 1000
"""Compared at once: a page of the ledger."""

_MAGIC = b"keys\x00v1"


@dataclass(frozen=True, slots=True, eq=False)
class ListedKeys:
    """Two sets of hashes, 8 bytes a key each; images, side files and all else."""

    keys: Hashes
    versions: Hashes
    """... with their ETags; of those alone whose ETags the inventory lists."""

    @classmethod
    def together(cls, parts: Iterable[Self]) -> Self:
        """Make one of the keys of several CSVs; needs room for both for a moment."""
        pulled = tuple(parts)
        keys, versions = ([getattr(part, name) for part in pulled] for name in ("keys", "versions"))
        return cls(_united(keys), _united(versions))

    def to_bytes(self) -> bytes:
        """Encode as the file of one CSV's keys."""
        return to_bytes(_MAGIC, self.keys, self.versions)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Decode what ``to_bytes`` wrote.

        Raises:
            ValueError: it is no such file, or not the whole of one.
        """
        keys, versions = from_bytes(body, _MAGIC, sets=2)
        return cls(keys, versions)


def _united(sets: Sequence[Hashes]) -> Hashes:
    united = np.concatenate([*sets, np.empty(0, dtype=np.uint64)])
    united.sort()
    return united


class KeyCollector:
    """Notes the keys of rows that pass by: 16 bytes each."""

    def __init__(self) -> None:
        self._keys, self._versions = array("Q"), array("Q")

    def passing(self, rows: Iterable[InventoryRow | UnreadableRow]) -> Iterator[InventoryRow | UnreadableRow]:
        """Yield the rows, noting those of current objects."""
        for row in rows:
            if isinstance(row, InventoryRow) and row.current:
                self._keys.append(hash_of(row.key))
                if row.etag is not None:
                    self._versions.append(hash_of(row.key, row.etag))
            yield row

    def collected(self) -> ListedKeys:
        """Give what passed so far."""
        return ListedKeys(sorted_hashes(self._keys), sorted_hashes(self._versions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What entries are held against."""

    listed: ListedKeys
    has_etags: bool
    """False: the inventory has no ETags, so that a side file can be missed or found, but not be another."""
    began_ms: int
    """When the scan of the bucket began; what was claimed since says more than the inventory."""

    def contradicted(self, entries: Iterable[LedgerEntry]) -> Iterator[ImageRef]:
        """Yield the images whose entries differ from the inventory; a chunk of entries is alive.

        They differ if the inventory does not have the key, or not the side files that the entry names, or others. The
        image's own ETag is not looked at: where it differs the row is work already.
        """
        pulled = (entry for entry in entries if self._is_compared(entry))
        while chunk := list(itertools.islice(pulled, CHUNK_ENTRIES)):
            yield from (entry.image for entry, agrees in zip(chunk, self._agree(chunk), strict=True) if not agrees)

    def _is_compared(self, entry: LedgerEntry) -> bool:
        return entry.state is not State.REMOVED and entry.epoch < self.began_ms

    def _agree(self, chunk: Sequence[LedgerEntry]) -> list[bool]:
        due, wrong = [self._due(entry) for entry in chunk], [_wrong(entry) for entry in chunk]
        versions = self.listed.versions if self.has_etags else self.listed.keys
        is_there = has(self.listed.keys, [hash_of(entry.image.key) for entry in chunk])
        are_there = _split(has(versions, [one for hashes in due for one in hashes]), due)
        are_wrong = _split(has(self.listed.keys, [one for hashes in wrong for one in hashes]), wrong)
        return [
            bool(here and all(sides) and not any(others))
            for here, sides, others in zip(is_there, are_there, are_wrong, strict=True)
        ]

    def _due(self, entry: LedgerEntry) -> list[int]:
        """Hash the side files that the entry names."""
        sides = entry.version.side_files
        return [hash_of(side.key, side.etag) if self.has_etags else hash_of(side.key) for side in sides]


def _wrong(entry: LedgerEntry) -> list[int]:
    """Hash the keys that would be side files, and that the entry does not name."""
    named = {side.key for side in entry.version.side_files}
    return [hash_of(key) for key in sorted(side_keys(entry.image.key) - named)]


def _split(answers: NDArray[np.bool_], asked: Sequence[Sequence[int]]) -> Iterator[list[np.bool_]]:
    """Give each entry the answers to what was asked for it."""
    pulled = iter(answers)
    for hashes in asked:
        yield list(itertools.islice(pulled, len(hashes)))
