"""The directories of a TIFF, classic or Big, read straight from its bytes: what GDAL does not tell of them.

Files may be hostile: each directory is read once, and of it, and of each value, no more than is said here.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

ReadBytes = Callable[[int, int], bytes]
"""From, and how many; fewer where the file ends."""

MOST_ENTRIES = 512
"""Of a directory, which is sorted by tag: what describes a picture stands among the first 60."""
MOST_VALUE_BYTES = 256
"""Of one value; a position has 24, an orientation 2."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 13: 4, 16: 8, 18: 8}
"""Bytes of each kind of value that is read (TIFF 6.0, section 2; BigTIFF)."""
_WHOLE = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_RATIOS = {5: "I", 10: "i"}


class BrokenTiffError(ValueError):
    """Cut off, or no TIFF."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a directory has under a tag."""

    kind: int
    """TIFF's number of the type."""
    order: str
    """``<`` or ``>``, as struct has it."""
    body: bytes

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers; none of a text. A ratio over nothing is not a number."""
        if self.kind in _WHOLE:
            form = self.order + str(len(self.body) // _SIZES[self.kind]) + _WHOLE[self.kind]
            return struct.unpack_from(form, self.body)
        if self.kind not in _RATIOS:
            return ()
        pairs = struct.iter_unpack(self.order + 2 * _RATIOS[self.kind], self.body[: len(self.body) // 8 * 8])
        return tuple(over / under if under else float("nan") for over, under in pairs)

    @property
    def text(self) -> str:
        """The text, without what fills it up."""
        return self.body.partition(b"\0")[0].decode("ascii", "replace").strip()


@dataclass(frozen=True, slots=True)
class Tiff:
    """How a file's directories are laid out."""

    read: ReadBytes
    order: str
    first: int
    """Where the first directory begins."""
    is_big: bool

    @classmethod
    def of(cls, read: ReadBytes) -> Self:
        """Read the first bytes.

        Raises:
            BrokenTiffError: this is none.
        """
        head = read(0, 16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        try:
            if order is None:
                raise BrokenTiffError(f"begins with {head[:2]!r}")
            [version] = struct.unpack_from(f"{order}H", head, 2)
            is_big = version == _BIG
            if version not in (_CLASSIC, _BIG):
                raise BrokenTiffError(f"of version {version}")
            [first] = struct.unpack_from(order + ("8xQ" if is_big else "4xI"), head)
        except struct.error as error:
            raise BrokenTiffError(str(error)) from error
        return cls(read, order, first, is_big)

    def directory(self, start: int, tags: frozenset[int]) -> Mapping[int, Value]:
        """Read some tags of the directory at ``start``; those that are broken, or too long, are left out.

        Raises:
            BrokenTiffError: there is none.
        """
        count_form, size = ("Q", 20) if self.is_big else ("H", 12)
        count_bytes = struct.calcsize(self.order + count_form)
        try:
            [count] = struct.unpack(self.order + count_form, self.read(start, count_bytes))
        except struct.error as error:
            raise BrokenTiffError(f"no directory at {start}") from error
        entries = self.read(start + count_bytes, min(count, MOST_ENTRIES) * size)
        found = {}
        for at in range(0, len(entries) - size + 1, size):
            [tag] = struct.unpack_from(f"{self.order}H", entries, at)
            value = self._value(entries[at + 2 : at + size]) if tag in tags else None
            if value is not None:
                found[tag] = value
        return found

    def _value(self, entry: bytes) -> Value | None:
        """Read a value where it stands, in its entry or elsewhere; ``entry`` begins with its kind."""
        kind, count = struct.unpack_from(self.order + ("HQ" if self.is_big else "HI"), entry)
        inside = entry[10:] if self.is_big else entry[6:]
        length = count * _SIZES.get(kind, MOST_VALUE_BYTES + 1)
        if not 0 < length <= MOST_VALUE_BYTES:
            return None
        if length <= len(inside):
            return Value(kind, self.order, inside[:length])
        [start] = struct.unpack(self.order + ("Q" if self.is_big else "I"), inside)
        body = self.read(start, length)
        return Value(kind, self.order, body) if len(body) == length else None


_CLASSIC, _BIG = 42, 43
