"""What a scene is asked to be."""

import math
from dataclasses import dataclass, field
from enum import StrEnum, auto

from local.rekognition.labels import PALETTE_HUES

MIN_OBJECT_PX = 12
MAX_OBJECT_PX = 1500
MIN_GAP_PX = 3
"""Between the boxes of objects; nearer ones cannot be told apart after JPEG's 4:2:0."""


class SceneError(ValueError):
    """A scene that cannot be made as asked."""


class Bands(StrEnum):
    """What the bands hold."""

    GREY = auto()
    """One band without hue: objects are there to be seen, and must not be found."""
    PALETTE = auto()
    """One band of indices into a colour table."""
    RGB = auto()
    RGBN = auto()
    """Red, green, blue, near infrared; in a PNG the fourth band is alpha."""


class Layout(StrEnum):
    """How the file is built."""

    COG = auto()
    TILED = auto()
    STRIPS = auto()
    JPEG = auto()
    PNG = auto()

    @property
    def is_tiff(self) -> bool:
        """Whether the file is a TIFF, which alone takes a CRS, a compression and nodata here."""
        return self in (Layout.COG, Layout.TILED, Layout.STRIPS)


class Compression(StrEnum):
    """Of a TIFF's blocks."""

    NONE = auto()
    LZW = auto()
    DEFLATE = auto()
    JPEG = auto()


class Spacing(StrEnum):
    """How near objects may come to each other."""

    APART = auto()
    """Boxes of all objects are at least the gap apart."""
    BY_LABEL = auto()
    """Boxes of objects of one label are; those of different labels may overlap, with the gap between the shapes."""
    OVERLAPPING = auto()
    """Any boxes may overlap; only the shapes themselves are the gap apart."""


class Form(StrEnum):
    """Of an object."""

    RECTANGLE = auto()
    ELLIPSE = auto()


class Seen(StrEnum):
    """How the pixels come to lie where they do; ``cameras`` has the formulas, ``headers`` writes them down."""

    MAP = auto()
    """By ``crs`` and ``transform``; nowhere without them."""
    BENT = auto()
    """A scan that bends like a parabola, with ground control points on a map."""
    WAVING = auto()
    """A scan from a plane in gusts, with many control points in degrees."""
    OBLIQUE = auto()
    """A plane seen from the side, with its four corners."""
    FROM_ORBIT = auto()
    """From a satellite, with rational polynomials."""


class Said(StrEnum):
    """Where ``crs`` and ``transform`` are written."""

    IN_FILE = auto()
    WORLD_FILE = auto()
    """Beside the image, with the CRS in an ``.aux.xml``."""
    STAC_ITEM = auto()
    """Beside the image."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An object to be planted; lengths in pixels."""

    label: str
    form: Form
    col: float
    """Of its centre; (0, 0) is the outer corner of the first pixel."""
    row: float
    length: float
    width: float
    angle_deg: float = 0.0
    """From the column axis towards the rows."""
    shade: int = 0
    """Which of its label's shades, counted round."""

    def __post_init__(self) -> None:
        if self.label not in PALETTE_HUES:
            raise SceneError(f"{self.label!r} has no hue; these have: {', '.join(PALETTE_HUES)}")
        if not (self.length > 0 and self.width > 0):
            raise SceneError(f"an object without an inside: {self}")

    @property
    def half_extent(self) -> tuple[float, float]:
        """Half of its upright box: columns, rows."""
        cos, sin = abs(math.cos(math.radians(self.angle_deg))), abs(math.sin(math.radians(self.angle_deg)))
        if self.form is Form.RECTANGLE:
            return (self.length * cos + self.width * sin) / 2, (self.length * sin + self.width * cos) / 2
        return math.hypot(self.length * cos, self.width * sin) / 2, math.hypot(self.length * sin, self.width * cos) / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a scene follows from; equal scenes make equal files and truths."""

    name: str
    width: int = 2000
    """Pixels, as all lengths here."""
    height: int = 2000
    count: int = 100
    """Objects planted at random, besides ``planted``."""
    min_object_px: int = 12
    """The longer side of an object's upright box, at least."""
    max_object_px: int = 200
    slenderest: float = 0.4
    """Shorter over longer side of the random objects, at least."""
    gap_px: int = MIN_GAP_PX
    spacing: Spacing = Spacing.APART
    planted: tuple[Shape, ...] = field(default=(), repr=False)
    """Objects placed by hand; nobody checks their gaps."""
    labels: tuple[str, ...] = tuple(PALETTE_HUES)
    """Of the random objects."""
    bands: Bands = Bands.RGB
    bits: int = 8
    layout: Layout = Layout.TILED
    compression: Compression = Compression.DEFLATE
    quality: int = 90
    """Of JPEG, wherever it is used."""
    nodata_border_px: int = 0
    """Without picture, on each side: 0 where compression is lossless, else outside a mask."""
    crs: str | None = None
    """Anything that pyproj reads, ``EPSG:32633`` say."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """(a, b, c, d, e, f) of ``x = a·col + b·row + c``, ``y = d·col + e·row + f``."""
    seen: Seen = Seen.MAP
    said: Said = Said.IN_FILE
    seed: int = 0

    def __post_init__(self) -> None:
        for wrong, what in self._problems():
            if wrong:
                raise SceneError(f"scene {self.name!r}: {what}")

    @property
    def file_name(self) -> str:
        """The image's name in its folder."""
        return self.name + {Layout.JPEG: ".jpg", Layout.PNG: ".png"}.get(self.layout, ".tif")

    @property
    def truth_name(self) -> str:
        """The truth's; not ``NAME.json``, which would be a side file of the image."""
        return self.name + ".truth.geojson"

    def _problems(self) -> tuple[tuple[bool, str], ...]:
        plain = not self.layout.is_tiff
        lossy = plain or self.compression is Compression.JPEG
        inside = min(self.width, self.height) - 2 * self.nodata_border_px
        return (
            (inside <= 0, "nothing is left within the nodata border"),
            (self.count < 0 or not self.labels, "objects need a count of at least 0 and labels"),
            (
                not MIN_OBJECT_PX <= self.min_object_px <= self.max_object_px <= MAX_OBJECT_PX,
                f"objects measure {MIN_OBJECT_PX}–{MAX_OBJECT_PX} px",
            ),
            (self.count > 0 and self.max_object_px >= inside, "objects do not fit into the picture"),
            (not 0 < self.slenderest <= 1, "the shorter side is over 0 and at most the longer one"),
            (self.gap_px < MIN_GAP_PX, f"the gap is at least {MIN_GAP_PX} px"),
            (self.bits not in (8, 16), "8 or 16 bits"),
            (self.bits == 16 and self.bands is Bands.PALETTE, "a colour table takes 8 bits"),
            (
                self.bits == 16 and lossy and self.layout is not Layout.PNG,
                "JPEG takes 8 bits",
            ),
            (
                self.bands in (Bands.PALETTE, Bands.RGBN) and lossy and self.layout is not Layout.PNG,
                "JPEG takes grey or red, green, blue",
            ),
            (
                plain and self.said is Said.IN_FILE and (self.crs is not None or self.seen is not Seen.MAP),
                "only TIFF carries a georeference here",
            ),
            (
                plain and self.nodata_border_px > 0 and not (self.layout is Layout.PNG and self.bands is Bands.RGBN),
                "only TIFF, and PNG with alpha, have nodata here",
            ),
            ((self.crs is None) != (self.transform is None), "crs and transform come together"),
            (self.seen is not Seen.MAP and self.crs is not None, "two things say where it is"),
            (self.said is not Said.IN_FILE and self.crs is None, "nothing is there to be written beside the image"),
        )
