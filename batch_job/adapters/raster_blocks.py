"""Where the blocks of a TIFF are in its file: what is needed of them is fetched in few requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batch_job.adapters.gdal_thread import tag
from batch_job.adapters.ranges import BLOCK_BYTES, RangedObject
from batch_job.adapters.raster_parts import Layout
from batch_job.values.spaces import Window

MAX_RUN_BYTES = 4 * 1024**2
"""A request takes ten times as long for so many bytes as for none, so more at once gains little."""
RUNS_BYTES = 12 * 1024**2
"""Of all rows of blocks that one row of chips shows, fetched ahead at one time; a file keeps a little more."""

MAX_GROWTH = 2
"""Noise in JPEG of the best quality takes less than that of its pixels. A file may say that each of a thousand blocks
is all of it: then they are GDAL's, which asks the same before it reads one."""
SPARE_BYTES = 64 * 1024
"""Small blocks may be smaller than their headers."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of an open TIFF; for the thread of the dataset."""

    dataset: Any
    """rasterio's."""
    layout: Layout
    bands_apart: bool
    """Whether each band has its own blocks."""

    def in_window(self, window: Window) -> Iterator[tuple[int, int]]:
        """Yield column and row, in blocks, of each that lies in a window."""
        last_row = (window.row_off + window.height - 1) // self.layout.block_height
        last_col = (window.col_off + window.width - 1) // self.layout.block_width
        for row in range(window.row_off // self.layout.block_height, last_row + 1):
            for col in range(window.col_off // self.layout.block_width, last_col + 1):
                yield col, row

    def place(self, col: int, row: int) -> Window:
        """Tell where a block lies in the image; the last ones end beyond it."""
        width, height = self.layout.block_width, self.layout.block_height
        return Window(col_off=col * width, row_off=row * height, width=width, height=height)

    def span(self, col: int, row: int, *, band: int = 1) -> Span | None:
        """Tell where a block is; None where the file leaves it out, or GDAL does not tell."""
        start = tag(self.dataset, f"BLOCK_OFFSET_{col}_{row}", band=band)
        size = tag(self.dataset, f"BLOCK_SIZE_{col}_{row}", band=band)
        return Span(int(start), int(size)) if start and size and int(size) > 0 else None

    def bodies(self, file: RangedObject, piece: Window) -> list[tuple[Window, bytes]] | None:
        """Read the blocks of a piece, which hold all bands, as the file has them.

        Returns:
            Where each lies in the image, and its bytes; None if one is left out, or they have too many bytes.
        """
        places = list(self.in_window(piece))
        found = [span for col, row in places if (span := self.span(col, row)) is not None]
        block_bytes = self.layout.block_width * self.layout.block_height * self.layout.pixel_bytes
        most = MAX_GROWTH * block_bytes * len(places) + SPARE_BYTES
        if len(found) < len(places) or sum(span.size for span in found) > most:
            return None
        return [
            (self.place(col, row), file.read(span.start, span.size))
            for (col, row), span in zip(places, found, strict=True)
        ]

    def fetch(self, file: RangedObject, piece: Window, bands: Sequence[int], *, end_col: int) -> None:
        """Fetch the blocks of a piece, and with them those to the right that stand next in the file.

        Strips with all bands follow each other in the file; to read these in order is ``RangedObject``'s own business.

        Args:
            file: Keeps what was fetched.
            piece: Of the image.
            bands: 1-based.
            end_col: The column, px, where the windows of this row end: nothing right of it is fetched.
        """
        is_strip = self.layout.block_width >= self.layout.width
        if is_strip and not self.bands_apart:
            return
        bands = bands if self.bands_apart else bands[:1]
        rows_at_once = 2 + piece.height // self.layout.block_height
        run_bytes = min(MAX_RUN_BYTES, RUNS_BYTES // (len(bands) * (1 if is_strip else rows_at_once)))
        places = list(self.in_window(piece))
        for band in bands:
            for number, (col, row) in enumerate(places):
                span = self.span(col, row, band=band)
                if span is not None and span.size <= run_bytes and not file.holds(span.start, span.size):
                    after = places[number + 1 :] if is_strip else self._right_of(col, row, end_col)
                    run = self._run(span, after, band, run_bytes)
                    file.fetch(run.start, run.size)

    def _right_of(self, col: int, row: int, end_col: int) -> list[tuple[int, int]]:
        last = (min(end_col, self.layout.width) - 1) // self.layout.block_width
        return [(to_right, row) for to_right in range(col + 1, last + 1)]

    def _run(self, first: Span, after: Sequence[tuple[int, int]], band: int, run_bytes: int) -> Span:
        """Join a block with those after it, up to the first that stands elsewhere."""
        end = first.end
        for col, row in after:
            span = self.span(col, row, band=band)
            if span is None:
                continue
            if not end <= span.start <= end + BLOCK_BYTES or span.end - first.start > run_bytes:
                break
            end = span.end
        return Span(first.start, end - first.start)
