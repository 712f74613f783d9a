"""One pass over an image: every piece of it is made once, and windows are cut out of the pieces. Pure.

A piece is whole blocks, in 8-bit RGB. It is let go when no window of this row or the next shows more of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Self

import numpy as np
from numpy.typing import NDArray

from batch_job.adapters.raster_parts import Layout, shared
from batch_job.values.raster import Pixels, Shown
from batch_job.values.spaces import Window

PIECE_PX = 512
"""Blocks smaller than so many pixels a side are read several at once: a call has a price of its own."""
PIECE_BYTES = 4 * 1024**2
"""... and strips, as many as have so many bytes together,"""
PIECE_ROWS = 64
"""... or rows: the first chips of a narrow image do not wait for all of it."""
MAX_PIECE_BYTES = 32 * 1024**2
"""A taller strip is read in several pieces, between which GDAL keeps it decoded."""
MAX_ROW_BYTES = 192 * 1024**2
"""A row of blocks with more bytes than this, in RGB, is never held: a block is decoded again for each row of windows
that shows it. Blocks of 1,024 px in an image 60,000 px wide have 184 MB."""
AHEAD_BYTES = 6 * 1024**2
"""Pieces for later windows are made while the present ones are encoded: a quarter of a row of chips of 10,000 px."""
IN_WORK_BYTES = 8 * 1024**2
"""Of pieces that are not made yet, in the file's own type: reading is faster than the stretch of 16 bits."""

_RGB = 3


@dataclass(frozen=True, slots=True)
class PieceGrid:
    """The pieces of an image: whole blocks wherever these are not huge."""

    width: int
    """Of the image."""
    height: int
    piece_width: int
    piece_height: int
    pixel_bytes: int
    """Of what is read."""

    @classmethod
    def of(cls, layout: Layout, *, pixel_bytes: int) -> Self:
        """Divide an image; ``pixel_bytes`` has a pixel of what is read."""
        if layout.block_width >= layout.width:
            height = _strips(layout, layout.width * pixel_bytes)
            return cls(layout.width, layout.height, layout.width, height, pixel_bytes)
        width, height = layout.block_width, layout.block_height
        height = PIECE_PX if height * layout.width * _RGB > MAX_ROW_BYTES else height * -(-PIECE_PX // height)
        return cls(layout.width, layout.height, width * -(-PIECE_PX // width), height, pixel_bytes)

    def over(self, window: Window) -> Iterator[Window]:
        """Yield the pieces that a window shows something of, row by row."""
        for row_off in _starts(window.row_off, window.height, self.piece_height):
            for col_off in _starts(window.col_off, window.width, self.piece_width):
                yield Window(
                    col_off=col_off,
                    row_off=row_off,
                    width=min(self.piece_width, self.width - col_off),
                    height=min(self.piece_height, self.height - row_off),
                )


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece, made."""

    rgb: NDArray[np.uint8]
    """(rows, columns, 3)."""
    valid: NDArray[np.uint8] | None
    """(rows, columns / 8), a bit for each pixel; None where all are valid."""
    begins: int = 0
    """How many of its first rows are not here any more."""

    @classmethod
    def of(cls, rgb: NDArray[np.uint8], pixels: Pixels) -> Self:
        """Take (3, rows, columns) and what it was made of."""
        valid = None if pixels.valid.all() else np.packbits(pixels.valid, axis=1)
        picture = rgb.transpose(1, 2, 0)
        if not picture.flags.c_contiguous:  # half the time of a contiguous copy of the transposed array
            picture = np.stack([*rgb], axis=-1, out=np.empty((*rgb.shape[1:], _RGB), np.uint8))
        return cls(picture, valid)

    def without(self, rows: int) -> Self:
        """Let its first rows go."""
        gone = rows - self.begins
        return replace(
            self,
            rgb=self.rgb[gone:].copy(),
            valid=None if self.valid is None else self.valid[gone:].copy(),
            begins=rows,
        )

    def part(self, rows: slice, cols: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | bool]:
        """Cut out (rows, columns, 3), and tell which of its pixels are valid; True: all."""
        rows = slice(rows.start - self.begins, rows.stop - self.begins)
        if self.valid is None:
            return self.rgb[rows, cols], True
        first = cols.start // 8
        bits = np.unpackbits(self.valid[rows, first : -(-cols.stop // 8)], axis=1)
        return self.rgb[rows, cols], bits[:, cols.start - first * 8 : cols.stop - first * 8].view(np.bool_)


Make = Callable[[Window, int], "Future[Future[Piece]]"]
"""Begins to make a piece; told, too, the column where the windows of these rows end."""


class Cutter:
    """Cuts windows out of pieces; for one pass."""

    def __init__(self, grid: PieceGrid, make: Make) -> None:
        """Take the pieces, and who makes them."""
        self._grid, self._make = grid, make
        self._begun: dict[Window, Future[Future[Piece]]] = {}
        self._made: dict[Window, Piece] = {}
        self._in_work: deque[tuple[int, Future[Future[Piece]]]] = deque()
        self._failed = False

    def cut(self, windows: Iterable[Window]) -> Iterator[tuple[Window, Shown]]:
        """Yield each window, in the order given; two rows of windows are looked at together."""
        try:
            for row, following in _with_next(_rows(windows)):
                yield from self._cut_row(row, following)
        finally:
            for piece in self._begun.values():
                piece.cancel()

    def _cut_row(self, row: Sequence[Window], following: Sequence[Window]) -> Iterator[tuple[Window, Shown]]:
        end = max(window.col_off + window.width for window in chain(row, following))
        keep_from = following[0].row_off if following else self._grid.height
        needed = ((n, place) for n, window in enumerate(chain(row, following)) for place in self._grid.over(window))
        coming = next(needed, None)
        ahead: deque[tuple[int, int]] = deque()
        for number, window in enumerate(row):
            while ahead and ahead[0][0] <= number:
                ahead.popleft()
            while coming is not None and not self._failed and (coming[0] <= number or self._may_begin(ahead)):
                if self._begin(coming[1], end) and coming[0] > number:
                    ahead.append((coming[0], coming[1].width * coming[1].height * _RGB))
                coming = next(needed, None)
            yield window, self._joined(window, end)
            next_col = row[number + 1].col_off if number + 1 < len(row) else self._grid.width
            self._let_go(above=keep_from, left_of=next_col)

    def _begin(self, place: Window, end: int) -> bool:
        """Begin to make a piece, unless it is there; tell whether it was not."""
        if place in self._begun or place in self._made:
            return False
        while self._in_work and self._bytes_in_work() >= IN_WORK_BYTES:
            self._wait_for(self._in_work.popleft()[1])
        self._begun[place] = self._make(place, end)
        self._in_work.append((place.width * place.height * self._grid.pixel_bytes, self._begun[place]))
        return True

    def _may_begin(self, ahead: Iterable[tuple[int, int]]) -> bool:
        """Tell whether a piece may be made that the present window does not need; nobody waits for it."""
        return sum(size for _, size in ahead) < AHEAD_BYTES and self._bytes_in_work() < IN_WORK_BYTES

    def _bytes_in_work(self) -> int:
        while self._in_work and _is_made(self._in_work[0][1]):
            self._wait_for(self._in_work.popleft()[1])
        return sum(size for size, _ in self._in_work)

    def _wait_for(self, begun: "Future[Future[Piece]]") -> None:
        """See whether a piece failed: that is raised where it is needed, and till then one is made after the other."""
        if not begun.cancelled():
            self._failed |= (begun.exception() or begun.result().exception()) is not None

    def _joined(self, window: Window, end: int) -> Shown:
        rgb = np.empty((window.height, window.width, _RGB), np.uint8)
        valid = np.ones((window.height, window.width), np.bool_)
        for place in self._grid.over(window):
            rows, rows_there = shared(window.row_off, window.height, place.row_off, place.height)
            cols, cols_there = shared(window.col_off, window.width, place.col_off, place.width)
            piece = self._piece(place, end, from_row=rows_there.start)
            rgb[rows, cols], valid[rows, cols] = piece.part(rows_there, cols_there)
        rgb.setflags(write=False)
        return Shown(rgb.transpose(2, 0, 1), valid)

    def _piece(self, place: Window, end: int, *, from_row: int) -> Piece:
        piece = self._made.get(place)
        if piece is None or piece.begins > from_row:  # the latter where windows come in another order than a grid's
            self._made.pop(place, None)
            self._begin(place, end)
            piece = self._made[place] = self._begun[place].result().result()
            del self._begun[place]
        return piece

    def _let_go(self, *, above: int, left_of: int) -> None:
        """Forget the rows above a row, of the pieces left of a column: of a tall block much is not needed again."""
        passed = [place for place in self._made if place.row_off < above and place.col_off + place.width <= left_of]
        for place in passed:
            if place.row_off + place.height <= above:
                del self._made[place]
            elif self._made[place].begins < above - place.row_off:
                self._made[place] = self._made[place].without(above - place.row_off)


def _is_made(begun: "Future[Future[Piece]]") -> bool:
    return begun.done() and (begun.cancelled() or begun.exception() is not None or begun.result().done())


def _strips(layout: Layout, row_bytes: int) -> int:
    """Tell how many rows are read together of an image in strips."""
    rows = min(PIECE_BYTES // row_bytes, PIECE_ROWS)
    height = layout.block_height * max(1, rows // layout.block_height)
    return height if height * row_bytes <= MAX_PIECE_BYTES else max(1, MAX_PIECE_BYTES // row_bytes)


def _starts(off: int, length: int, size: int) -> range:
    return range(off - off % size, off + length, size)


def _rows(windows: Iterable[Window]) -> Iterator[list[Window]]:
    for _, row in groupby(windows, key=lambda window: (window.row_off, window.height)):
        yield list(row)


def _with_next(rows: Iterator[list[Window]]) -> Iterator[tuple[list[Window], list[Window]]]:
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        yield row, following or []
        row = following
