"""What the demo found: tables, pictures, files, and the comparison with what was planted."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from batch_job.cli.show import picture_of
from batch_job.search.geojson import image_feature, label_feature
from batch_job.values.documents import LabelDocument
from batch_job.values.ledger import LedgerEntry, State
from batch_job.values.place import LonLat
from batch_job.values.query import LabelQuery
from batch_job.values.spaces import Kind, PixelBox
from batch_job.wiring.endpoints import Credentials, Endpoints
from batch_job.wiring.search import open_search
from local.emulator import KEY, REGION
from local.offsets import largest_off_px, off_ground_px
from local.rekognition.labels import PALETTE_HUES
from local.scenes import MadeScene, camera_of
from local.truth import Comparison, LabelledBox, compare

DETECTIONS = "detections.geojson"
NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class SceneResult:
    """A planted scene and what was found in it."""

    made: MadeScene
    comparison: Comparison

    @property
    def off_px(self) -> float:
        """The largest distance between a planted object's middle and where it was found, in the picture."""
        return largest_off_px(self.comparison.matched)

    @property
    def off_ground_px(self) -> float | None:
        """... between their longitudes and latitudes, in pixels as large as they are on the ground; None: no place."""
        camera = camera_of(self.made.scene)
        return None if camera is None else max(off_ground_px(self.comparison.matched, camera), default=0.0)


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the index says after the run."""

    endpoints: Endpoints
    images: tuple[LedgerEntry, ...]
    labels: dict[str, list[LabelDocument]]
    """By the image's key."""
    scenes: tuple[SceneResult, ...]

    @property
    def planted(self) -> int:
        """Objects in the scenes."""
        return sum(len(one.made.objects) for one in self.scenes)

    @property
    def missed(self) -> int:
        """... of these not found."""
        return sum(len(one.comparison.missed) for one in self.scenes)

    @property
    def extra(self) -> int:
        """Objects found that were not planted."""
        return sum(len(one.comparison.extra) for one in self.scenes)

    @property
    def is_right(self) -> bool:
        """Tell whether all that was planted, and nothing else, was found."""
        return not (self.missed or self.extra)

    def somewhere(self, half_side_deg: float) -> tuple[float, float, float, float]:
        """Give west, south, east, north of a small place in which something was found."""
        placed = (label.center for labels in self.labels.values() for label in labels if label.kind == Kind.OBJECT)
        center = next(center for center in placed if center is not None)
        lon, lat = center.lon, center.lat
        return lon - half_side_deg, lat - half_side_deg, lon + half_side_deg, lat + half_side_deg

    def figures(self) -> dict[str, Any]:
        """Give the comparison for ``summary.json``."""
        scenes = {
            one.made.scene.name: {
                "planted": len(one.made.objects),
                "missed": len(one.comparison.missed),
                "extra": len(one.comparison.extra),
                "off_px": round(one.off_px, 2),
                "off_ground_px": None if one.off_ground_px is None else round(one.off_ground_px, 2),
            }
            for one in self.scenes
        }
        return {"planted": self.planted, "missed": self.missed, "extra": self.extra, "scenes": scenes}


def collect(index_url: str, s3_endpoint: str, *, bucket: str, made: Sequence[MadeScene]) -> Findings:
    """Read everything back from the index and compare it with the truth."""
    endpoints = Endpoints(
        index_url=index_url, s3_endpoint=s3_endpoint, region=REGION, credentials=Credentials(KEY, KEY)
    )
    search = open_search(endpoints)
    labels: defaultdict[str, list[LabelDocument]] = defaultdict(list)
    for label in search.search(LabelQuery()):
        labels[label.image.key].append(label)
    scenes = tuple(SceneResult(one, compare(_objects(labels[f"scenes/{one.image.name}"]), one.objects)) for one in made)
    return Findings(endpoints, tuple(search.images(bucket)), dict(labels), scenes)


def _objects(labels: Sequence[LabelDocument]) -> list[LabelledBox]:
    return [
        LabelledBox(label.label, PixelBox(*label.pixel_box), _position(label.center))
        for label in labels
        if label.kind == Kind.OBJECT and label.label in PALETTE_HUES
    ]


def _position(center: LonLat | None) -> tuple[float, float] | None:
    return None if center is None else (center.lon, center.lat)


def print_findings(findings: Findings, console: Console) -> None:
    """Print a table of labels per image, and one of planted against found."""
    images = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("image", "px", "chips", "blank", "place"):
        images.add_column(name, justify="right" if name in ("px", "chips", "blank") else "left", no_wrap=True)
    images.add_column("labels")
    for entry in findings.images:
        images.add_row(*_image_row(entry, findings.labels.get(entry.image.key, [])))
    console.print(images)
    console.print()
    planted = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("planted scene", "objects", "missed", "extra", "px off", "px off on the ground"):
        planted.add_column(name, justify="left" if name == "planted scene" else "right")
    for one in findings.scenes:
        planted.add_row(*_planted_row(one))
    console.print(planted)


def _planted_row(one: SceneResult) -> tuple[str, ...]:
    counts = (len(one.made.objects), len(one.comparison.missed), len(one.comparison.extra))
    on_the_ground = "no place" if one.off_ground_px is None else f"{one.off_ground_px:.2f}"
    off = (f"{one.off_px:.2f}", on_the_ground) if one.comparison.matched else ("", "")
    return one.made.scene.name, *(f"{n:,}" for n in counts), *off


def _image_row(entry: LedgerEntry, labels: Sequence[LabelDocument]) -> tuple[str, ...]:
    described = entry.described
    if described is None or described.width is None:
        why = f": {entry.error_code}" if entry.error_code else ""
        return entry.image.key, "", "", "", "", f"{entry.state}{why}"
    counts = Counter(label.label if label.kind == Kind.OBJECT else f"{label.label} (region)" for label in labels)
    names = ", ".join(f"{name} {n:,}" for name, n in counts.most_common(NAMES_SHOWN))
    more = f", {len(counts) - NAMES_SHOWN} more" if len(counts) > NAMES_SHOWN else ""
    size = f"{described.width:,} x {described.height:,}"
    chips = described.chips
    return entry.image.key, size, f"{chips.total}", f"{chips.blank}", described.georeference or "", names + more


def write_files(findings: Findings, folder: Path) -> None:
    """Write a picture per image, and all detections as GeoJSON."""
    features = []
    for entry in findings.images:
        if entry.state is State.REMOVED:
            continue
        labels = findings.labels.get(entry.image.key, [])
        name = Path(entry.image.key).stem
        (folder / f"{name}.png").write_bytes(picture_of(entry.image, labels, findings.endpoints))
        if entry.described is not None:
            features.append(image_feature(entry.described))
        features.extend(map(label_feature, labels))
    collection = {"type": "FeatureCollection", "features": features}
    (folder / DETECTIONS).write_bytes(orjson.dumps(collection))
