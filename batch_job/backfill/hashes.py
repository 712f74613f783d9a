"""Sorted sets of 64-bit hashes: what millions of keys shrink to, and the files that keep them."""

import hashlib
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
"""Sorted. With 10 million entries and as many rows the chance that one key is taken for another by accident is 5e-6."""

HASH_BYTES = 8


def hash_of(*facts: str) -> int:
    """Hash some texts, in order. Only the first, a key, may have control characters; so none is taken for two."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(facts).encode(), digest_size=HASH_BYTES).digest(), "little")


def sorted_hashes(hashes: "array[int]") -> Hashes:
    """Sort what was collected in an ``array("Q")``."""
    return np.sort(np.frombuffer(hashes, dtype=np.uint64)) if hashes else np.empty(0, dtype=np.uint64)


def has(hashes: Hashes, wanted: Sequence[int]) -> NDArray[np.bool_]:
    """Tell of each hash whether it is in the set; many at once are faster."""
    sought = np.array(wanted, dtype=np.uint64)
    if not len(hashes):
        return np.zeros(len(sought), dtype=bool)
    at = np.minimum(np.searchsorted(hashes, sought), len(hashes) - 1)
    found: NDArray[np.bool_] = hashes[at] == sought
    return found


def to_bytes(magic: bytes, *sets: Hashes) -> bytes:
    """Encode some sets as a file that begins with ``magic``."""
    lengths = np.array([len(hashes) for hashes in sets], dtype="<u8")
    return b"".join([magic, lengths.tobytes(), *(hashes.astype("<u8", copy=False).tobytes() for hashes in sets)])


def from_bytes(body: bytes, magic: bytes, *, sets: int) -> list[Hashes]:
    """Decode what ``to_bytes`` wrote of so many sets.

    Raises:
        ValueError: it is no such file, or not the whole of one.
    """
    numbered = len(body) - len(magic)
    if not body.startswith(magic) or numbered % HASH_BYTES or numbered < sets * HASH_BYTES:
        raise ValueError(f"not a hash file: {body[:16]!r}")
    numbers = np.frombuffer(body, dtype="<u8", offset=len(magic)).astype(np.uint64, copy=False)
    ends = np.cumsum(numbers[:sets])
    if int(ends[-1]) != len(numbers) - sets:
        raise ValueError(f"a hash file of {len(numbers) - sets} instead of {int(ends[-1])} hashes")
    return np.split(numbers[sets:], ends[:-1].astype(np.int64))
