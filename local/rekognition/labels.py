"""What the stand-in can see: the palette, and how its labels are related. The names follow Rekognition's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PALETTE_HUES: Mapping[str, int] = MappingProxyType(
    {"Car": 0, "Airplane": 60, "Tree": 120, "Swimming Pool": 180, "Boat": 240, "Building": 300}
)
"""Label of each hue, degrees; a hue belongs to the nearest of these."""


@dataclass(frozen=True, slots=True)
class Taxon:
    """A label's place among the others."""

    name: str
    parents: tuple[str, ...] = ()
    """All ancestors, each of which is a label of its own."""
    aliases: tuple[str, ...] = ()
    category: str = "Vehicles and Automotive"


@dataclass(frozen=True, slots=True)
class SceneRule:
    """A label without boxes that follows from how many objects of one label are in the picture."""

    label: str
    of: str
    at_least: int


SCENE_RULES = (
    SceneRule("Parking Lot", of="Car", at_least=8),
    SceneRule("Airport", of="Airplane", at_least=3),
    SceneRule("Harbor", of="Boat", at_least=4),
    SceneRule("Woodland", of="Tree", at_least=12),
    SceneRule("City", of="Building", at_least=8),
)

_VEHICLE = ("Transportation", "Vehicle")
_PLACES = "Travel and Adventure"
_NATURE = "Nature and Outdoors"
_HOUSES = "Buildings and Architecture"

TAXA: Mapping[str, Taxon] = MappingProxyType(
    {
        taxon.name: taxon
        for taxon in (
            Taxon("Car", parents=_VEHICLE, aliases=("Automobile",)),
            Taxon("Airplane", parents=("Aircraft", *_VEHICLE), aliases=("Plane", "Aeroplane")),
            Taxon("Tree", parents=("Plant",), category="Plants and Flowers"),
            Taxon("Swimming Pool", parents=("Pool", "Water"), category=_NATURE),
            Taxon("Boat", parents=_VEHICLE),
            Taxon("Building", parents=("Architecture",), aliases=("Edifice",), category=_HOUSES),
            Taxon("Aircraft", parents=_VEHICLE),
            Taxon("Vehicle", parents=("Transportation",)),
            Taxon("Transportation"),
            Taxon("Plant", category="Plants and Flowers"),
            Taxon("Pool", parents=("Water",), category=_NATURE),
            Taxon("Water", category=_NATURE),
            Taxon("Architecture", category=_HOUSES),
            Taxon("Parking Lot", parents=("Outdoors",), aliases=("Car Park",), category=_PLACES),
            Taxon("Airport", parents=("Outdoors",), aliases=("Airfield",), category=_PLACES),
            Taxon("Harbor", parents=("Outdoors", "Water", "Waterfront"), aliases=("Port",), category=_PLACES),
            Taxon("Woodland", parents=("Nature", "Outdoors"), aliases=("Forest",), category=_NATURE),
            Taxon("City", parents=("Outdoors", "Urban"), aliases=("Town",), category=_HOUSES),
            Taxon("Waterfront", parents=("Water",), category=_NATURE),
            Taxon("Nature", parents=("Outdoors",), category=_NATURE),
            Taxon("Urban", category=_HOUSES),
            Taxon("Outdoors", category=_NATURE),
        )
    }
)
"""Every label that can be answered, by its name."""

CATEGORIES = frozenset(taxon.category for taxon in TAXA.values())
