"""From a scene's description to its image and its truth."""

from dataclasses import dataclass, field
from pathlib import Path

import orjson

from local.scenes.cameras import camera_of
from local.scenes.headers import write_beside
from local.scenes.placing import Placed, place
from local.scenes.shapes import outline
from local.scenes.spec import Bands, Scene
from local.scenes.writing import write
from local.truth import LabelledBox, TrueObject, to_geojson


@dataclass(frozen=True, slots=True)
class MadeScene:
    """A scene on disk."""

    scene: Scene
    image: Path
    truth: Path
    """GeoJSON; ``local.truth`` writes and reads it."""
    objects: tuple[LabelledBox, ...] = field(repr=False)
    """What must be found: nothing in a grey scene, whatever was drawn."""
    beside: tuple[Path, ...] = ()
    """Files that say where the image is."""


def make(scene: Scene, folder: Path) -> MadeScene:
    """Draw a scene into a folder (made if it is not there), over what has its name.

    About 200 MB are in use at once, whatever the scene's size.

    Raises:
        SceneError: the objects do not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image, truth = folder / scene.file_name, folder / scene.truth_name
    placed = place(scene)
    write(scene, placed, image)
    objects = tuple(_truth_of(one) for one in placed) if scene.bands is not Bands.GREY else ()
    truth.write_bytes(orjson.dumps(to_geojson(objects, camera_of(scene))))
    boxes = tuple(LabelledBox(one.label, one.box) for one in objects)
    return MadeScene(scene, image, truth, boxes, write_beside(scene, image))


def _truth_of(one: Placed) -> TrueObject:
    return TrueObject(one.shape.label, one.box, outline=tuple(outline(one.shape)))
