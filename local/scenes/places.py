"""Scenes that are placed in every way that an image may be."""

from collections.abc import Mapping
from dataclasses import replace

from rasterio import Affine

from local.scenes.spec import Layout, Said, Scene, Seen

GSD_M = 0.5
_SCENE = Scene(name="there", width=1300, height=1000, count=40, seed=51)


def around(scene: Scene, crs: str, *, x: float, y: float, angle_deg: float = 0.0) -> Scene:
    """Lay a scene's middle upon a place of a map, turned."""
    turned = Affine.translation(x, y) @ Affine.rotation(angle_deg) @ Affine.scale(GSD_M, -GSD_M)
    transform = turned @ Affine.translation(-scene.width / 2, -scene.height / 2)
    return replace(scene, crs=crs, transform=tuple(transform)[:6])


_TURNED = around(replace(_SCENE, name="turned"), "EPSG:32633", x=388_000, y=5_822_000, angle_deg=25)
POLE = around(replace(_SCENE, name="south-pole"), "EPSG:3031", x=40, y=-60)
"""Which lies in the scene."""
FROM_ORBIT = replace(_SCENE, name="from-orbit", seen=Seen.FROM_ORBIT)

PLACES: Mapping[str, Scene] = {
    scene.name: scene
    for scene in (
        _TURNED,
        POLE,
        around(replace(_SCENE, name="north-pole-beside"), "EPSG:3413", x=-300_000, y=250_000, angle_deg=-70),
        # the 180th meridian runs through the middle, at 52 degrees north
        around(replace(_SCENE, name="dateline-utm", layout=Layout.COG), "EPSG:32660", x=705_975, y=5_765_550),
        replace(_SCENE, name="bent", seen=Seen.BENT),
        replace(_SCENE, name="bent-cog", seen=Seen.BENT, layout=Layout.COG),
        replace(_SCENE, name="waving", seen=Seen.WAVING),
        replace(_SCENE, name="oblique", seen=Seen.OBLIQUE),
        FROM_ORBIT,
        replace(_SCENE, name="from-orbit-cog", seen=Seen.FROM_ORBIT, layout=Layout.COG),
        replace(_TURNED, name="world-file", layout=Layout.PNG, said=Said.WORLD_FILE),
        replace(_TURNED, name="stac-item", layout=Layout.JPEG, quality=98, said=Said.STAC_ITEM),
    )
}
"""By name."""
