"""A remote object as the file that GDAL reads: by ranges, through blocks in memory, under one ETag."""

import hashlib
import io
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from batch_job.errors import ChangedError, UnavailableError, UnreadableImageError
from batch_job.values.image import ImageRef

BLOCK_BYTES = 64 * 1024
"""What is kept together: so little that reading here and there brings not much that nobody asked for."""
FIRST_BLOCKS_AHEAD = 8
"""At the file's start, and once it is read in order: 512 KB take about as long as the wait for a GET's first byte."""
MAX_BLOCKS_AT_ONCE = 128
"""8 MB a GET while the file is read on in order, as strips and plain JPEG are."""
SMALL_BYTES = BLOCK_BYTES * MAX_BLOCKS_AT_ONCE
"""An object of so many is kept whole anyway: of photographs one GET more than the first, seldom two."""
MAX_BLOCKS_KEPT = 256
"""16 MB for each open image, least recently used first out."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of an object."""

    body: bytes = field(repr=False)
    object_size: int
    """Bytes of the whole object."""
    etag: str | None
    """Of the version that was read, where the store has versions."""


class RangeReader(Protocol):
    """Reads a part of an object, of one version if asked to; ``S3Reader`` does."""

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        """Read ``length`` bytes from ``start``, or as many as there are.

        Raises:
            ChangedError: the object is not the version ``etag`` any more.
            UnreadableImageError: there is nothing to read.
        """
        ...


class LocalFiles:
    """Reads files of this machine."""

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:  # noqa: ARG002
        """Read; a file has no ETag. Raises as ``RangeReader``."""
        try:
            file = os.open(image.key, os.O_RDONLY)
            try:
                return Portion(os.pread(file, length, start), object_size=os.fstat(file).st_size, etag=None)
            finally:
                os.close(file)
        except OSError as error:
            raise UnreadableImageError(f"{image.uri}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class ObjectsInMemory:
    """A fake store; an object's ETag is its MD5, as S3's often is."""

    bodies: dict[ImageRef, bytes]

    def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
        """Read. Raises as ``RangeReader``."""
        body = self.bodies.get(image, b"")
        found = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if image not in self.bodies or etag not in (None, found):
            raise ChangedError(f"{image.uri}: not the version {etag} any more")
        if start >= len(body):
            raise UnreadableImageError(f"{image.uri}: no byte at {start}")
        return Portion(body[start : start + length], object_size=len(body), etag=found)


class RangedObject:
    """One version of an object, through blocks in memory. For one thread.

    The first error is kept in ``error``, and nothing is read after it.
    """

    def __init__(self, reader: RangeReader, image: ImageRef, *, etag: str | None) -> None:
        """Take where to read; without an ``etag`` the first read settles which version the others must be of."""
        self.error: Exception | None = None
        self.requests = 0
        self._reader, self._image, self._etag = reader, image, etag
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._after_last = self._ahead = 0

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        if self._size is None:
            self._block(0, 0)
        return self._size or 0

    def open(self) -> "RangedFile":
        """Open it as a file; GDAL opens some formats twice at once."""
        return RangedFile(self)

    def read(self, start: int, length: int) -> bytes:
        """Read ``length`` bytes from ``start``, or as many as there are."""
        end = min(start + length, self.size)
        if end <= start:
            return b""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        parts = [self._block(index, last) for index in range(first, last + 1)]
        joined = parts[0] if len(parts) == 1 else b"".join(parts)
        return joined[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]

    def holds(self, start: int, length: int) -> bool:
        """Tell whether so many bytes from ``start`` on are here."""
        return all(index in self._blocks for index in _indices(start, length))

    def fetch(self, start: int, length: int) -> None:
        """Get what is not here of so many bytes, with one request, and nothing more; ``read`` finds them."""
        missing = [index for index in _indices(start, length) if index not in self._blocks]
        if missing:
            self._raising(missing[0], missing[-1] - missing[0] + 1)

    def _block(self, index: int, last: int) -> bytes:
        """Give a block; ``last`` is the last that is asked for after it."""
        if self.error is not None:
            raise self.error
        if index not in self._blocks:
            self._raising(index, self._n_blocks(index, last))
        self._blocks.move_to_end(index)
        return self._blocks[index]

    def _n_blocks(self, index: int, last: int) -> int:
        """Tell how many blocks to get: those asked for, and more after them the longer the object is read in order."""
        if self._size is not None and self._size <= SMALL_BYTES:
            return MAX_BLOCKS_AT_ONCE  # all that is left
        in_order = index == self._after_last
        self._ahead = min(max(2 * self._ahead, FIRST_BLOCKS_AHEAD), MAX_BLOCKS_AT_ONCE) if in_order else 0
        return max(min(last - index + 1, MAX_BLOCKS_AT_ONCE), self._ahead)

    def _raising(self, index: int, n_blocks: int) -> None:
        """Get blocks; the first error is the last thing that happens."""
        if self.error is not None:
            raise self.error
        try:
            self._get(index, n_blocks)
        except Exception as error:
            self.error = error
            raise

    def _get(self, index: int, n_blocks: int) -> None:
        start, length = index * BLOCK_BYTES, n_blocks * BLOCK_BYTES
        portion = self._reader.read_range(self._image, etag=self._etag, start=start, length=length)
        self.requests += 1
        self._size, self._etag = portion.object_size, self._etag or portion.etag
        wanted = max(0, min(length, portion.object_size - start))
        if len(portion.body) != wanted:
            raise UnavailableError(f"{self._image.uri}: got {len(portion.body)} bytes of {wanted} from {start} on")
        for at in range(0, max(wanted, 1), BLOCK_BYTES):
            self._blocks[index + at // BLOCK_BYTES] = portion.body[at : at + BLOCK_BYTES]
        self._after_last = index + n_blocks
        while len(self._blocks) > MAX_BLOCKS_KEPT:
            self._blocks.popitem(last=False)


def _indices(start: int, length: int) -> range:
    return range(start // BLOCK_BYTES, (start + length - 1) // BLOCK_BYTES + 1)


class RangedFile(io.RawIOBase):
    """A place in an object: what rasterio's ``opener`` gives to GDAL.

    An error must not pass through GDAL: rasterio 1.4 would leave it pending, and Python then dies of a SystemError in
    another place. So the file ends where reading failed, and the reason stands in ``RangedObject.error``.
    """

    def __init__(self, of: RangedObject) -> None:
        """Start at the first byte."""
        self._of = of
        self._position = 0

    def read(self, length: int = -1) -> bytes:
        """Read from here; all that is left when ``length`` is below 0."""
        try:
            body = self._of.read(self._position, self._of.size if length < 0 else length)
        except Exception:  # noqa: BLE001  see above; it is kept, and raised when GDAL has returned
            return b""
        self._position += len(body)
        return body

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._of.size}[whence] + offset
        return self._position

    def tell(self) -> int:
        """Tell where we are."""
        return self._position


if TYPE_CHECKING:
    _files: type[RangeReader] = LocalFiles
    _fake: type[RangeReader] = ObjectsInMemory
