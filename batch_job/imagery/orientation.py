"""Photographs the right way up, and their place on the ground turned with them.

EXIF numbers the eight ways in which a picture can lie in a file (TIFF 6.0, tag 274). Each is: transposed or not, then
columns from the right or not, then rows from the bottom or not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from batch_job.ports import RasterSource
from batch_job.ports.rasters import Show
from batch_job.values.place import Georeference, GroundControlPoint
from batch_job.values.raster import UPRIGHT, Pixels, RasterFacts, Shown
from batch_job.values.spaces import Window

_TRANSPOSED = (5, 6, 7, 8)
_FROM_THE_RIGHT = (2, 3, 6, 7)
_FROM_THE_BOTTOM = (3, 4, 7, 8)


@dataclass(frozen=True, slots=True)
class Turn:
    """From a file's rows and columns to those that people see."""

    transposes: bool
    flips_cols: bool
    """After transposing."""
    flips_rows: bool

    @classmethod
    def by_exif(cls, number: int) -> "Turn":
        """Read EXIF's number, 1–8."""
        return cls(number in _TRANSPOSED, number in _FROM_THE_RIGHT, number in _FROM_THE_BOTTOM)

    def seen_size(self, *, width: int, height: int) -> tuple[int, int]:
        """Give width and height as seen of a file's."""
        return (height, width) if self.transposes else (width, height)

    def seen(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turn (…, rows, columns) of the file to what is seen; a view."""
        turned = pixels.swapaxes(-1, -2) if self.transposes else pixels
        return turned[..., :: -1 if self.flips_rows else 1, :: -1 if self.flips_cols else 1]

    def in_file(self, window: Window, *, width: int, height: int) -> Window:
        """Find a window of the picture, ``width`` x ``height`` as seen, in the file."""
        col_off = width - window.col_off - window.width if self.flips_cols else window.col_off
        row_off = height - window.row_off - window.height if self.flips_rows else window.row_off
        if self.transposes:
            return Window(col_off=row_off, row_off=col_off, width=window.height, height=window.width)
        return Window(col_off=col_off, row_off=row_off, width=window.width, height=window.height)


def upright(source: RasterSource) -> RasterSource:
    """Turn a raster as EXIF says; one that lies as it is seen is given back as it is."""
    return source if source.facts.orientation == UPRIGHT else UprightRaster(source)


@dataclass(frozen=True, slots=True)
class UprightRaster:
    """A raster turned as EXIF says; fits ``ports.RasterSource``.

    Windows that come in the order of ``grid.windows`` for its orientation are read in the file's own order.
    """

    source: RasterSource

    @property
    def facts(self) -> RasterFacts:
        """The header of what is seen: size and georeference are turned."""
        return turned_facts(self.source.facts)

    def read_windows(self, windows: Iterable[Window], *, bands: Sequence[int]) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window's pixels; see ``ports.RasterSource``."""
        for window, pixels in self.source.read_windows(map(self._in_file, windows), bands=bands):
            yield self._seen_window(window), self._seen(pixels)

    def read_shown(
        self, windows: Iterable[Window], *, bands: Sequence[int], show: Show
    ) -> Iterator[tuple[Window, Shown]]:
        """Yield each window as it is shown; see ``ports.RasterSource``."""
        for window, shown in self.source.read_shown(map(self._in_file, windows), bands=bands, show=show):
            yield self._seen_window(window), Shown(self._turn.seen(shown.rgb), self._turn.seen(shown.valid))

    def read_scaled(
        self, windows: Iterable[Window], *, bands: Sequence[int], shrink: int
    ) -> Iterator[tuple[Window, Pixels]]:
        """Yield each window smaller; see ``ports.RasterSource``."""
        for window, pixels in self.source.read_scaled(map(self._in_file, windows), bands=bands, shrink=shrink):
            yield self._seen_window(window), self._seen(pixels)

    def read_overview(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read the whole image, smaller; see ``ports.RasterSource``."""
        return self._seen(self.source.read_overview(bands=bands, max_px=max_px))

    def read_sample(self, *, bands: Sequence[int], max_px: int) -> Pixels:
        """Read pixels from all over; in which arrangement does not matter. See ``ports.RasterSource``."""
        return self.source.read_sample(bands=bands, max_px=max_px)

    def has_copy_for(self, max_px: int) -> bool:
        """Tell whether an overview costs little; see ``ports.RasterSource``."""
        return self.source.has_copy_for(max_px)

    @property
    def _turn(self) -> Turn:
        return Turn.by_exif(self.source.facts.orientation)

    def _seen(self, pixels: Pixels) -> Pixels:
        return Pixels(self._turn.seen(pixels.bands), self._turn.seen(pixels.valid))

    def _in_file(self, window: Window) -> Window:
        facts = self.source.facts
        width, height = self._turn.seen_size(width=facts.width, height=facts.height)
        return self._turn.in_file(window, width=width, height=height)

    def _seen_window(self, window: Window) -> Window:
        return _back(self._turn).in_file(window, width=self.source.facts.width, height=self.source.facts.height)


def turned_facts(facts: RasterFacts) -> RasterFacts:
    """Describe a file as it is seen: size and georeference turned, so that geometry comes out as the file has it."""
    turn = Turn.by_exif(facts.orientation)
    width, height = turn.seen_size(width=facts.width, height=facts.height)
    place = _turned_place(facts.georeference, turn, width=width, height=height)
    return replace(facts, width=width, height=height, georeference=place)


def _back(turn: Turn) -> Turn:
    """Give the turn from what is seen to the file."""
    if turn.transposes:
        return replace(turn, flips_cols=turn.flips_rows, flips_rows=turn.flips_cols)
    return turn


def _turned_place(place: Georeference, turn: Turn, *, width: int, height: int) -> Georeference:
    """Turn a georeference with a picture of ``width`` x ``height`` as seen."""
    return replace(
        place,
        transform=None if place.transform is None else _turned_transform(place.transform, turn, width, height),
        gcps=tuple(_turned_point(point, turn, width=width, height=height) for point in place.gcps),
        rpcs=_turned_rpcs(dict(place.rpcs), turn, width=width, height=height),
    )


def _turned_point(point: GroundControlPoint, turn: Turn, *, width: int, height: int) -> GroundControlPoint:
    col, row = (point.row, point.col) if turn.transposes else (point.col, point.row)
    return replace(point, col=width - col if turn.flips_cols else col, row=height - row if turn.flips_rows else row)


Transform = tuple[float, float, float, float, float, float]


def _turned_transform(transform: Transform, turn: Turn, width: int, height: int) -> Transform:
    a, b, c, d, e, f = transform
    if turn.transposes:
        a, b, d, e = b, a, e, d
    if turn.flips_cols:
        a, c, d, f = -a, c + a * width, -d, f + d * width
    if turn.flips_rows:
        b, c, e, f = -b, c + b * height, -e, f + e * height
    return a, b, c, d, e, f


def _turned_rpcs(rpcs: dict[str, str], turn: Turn, *, width: int, height: int) -> tuple[tuple[str, str], ...]:
    """Turn GDAL's RPC metadata, whose lines and samples count from the middle of the first pixel."""
    if turn.transposes:
        rpcs = {_SWAPPED.get(name[:4], name[:4]) + name[4:]: text for name, text in rpcs.items()}
    for axis, length, flips in (("SAMP", width, turn.flips_cols), ("LINE", height, turn.flips_rows)):
        if flips and {f"{axis}_OFF", f"{axis}_NUM_COEFF"} <= rpcs.keys():
            rpcs = {
                **rpcs,
                f"{axis}_OFF": repr(length - 1 - float(rpcs[f"{axis}_OFF"])),
                f"{axis}_NUM_COEFF": " ".join(repr(-float(text)) for text in rpcs[f"{axis}_NUM_COEFF"].split()),
            }
    return tuple(sorted(rpcs.items()))


_SWAPPED = {"LINE": "SAMP", "SAMP": "LINE"}

if TYPE_CHECKING:
    _source: type[RasterSource] = UprightRaster
