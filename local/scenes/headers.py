"""Where a scene is, as its file's header says it, or a file beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from local.scenes.cameras import BENT_CRS, LAT, LAT_PER_PX, LEAN, LON, LON_PER_PX, NEARER, SKEW, camera_of, map_of
from local.scenes.spec import Said, Scene, SceneError, Seen

HEIGHT_M, HEIGHT_SCALE_M = 120.0, 300.0
OFF_NADIR = 0.4
"""How far what is high is seen to the side."""
_REST = [0.0] * 16
"""Of the twenty terms of a rational polynomial, the first four are 1, longitude, latitude, height."""
_POINTS = {Seen.BENT: (4, 4), Seen.WAVING: (14, 12), Seen.OBLIQUE: (2, 2)}
"""Control points across and down."""


def georeference(scene: Scene) -> dict[str, Any]:
    """Say for rasterio where a scene is; empty: its file does not say it."""
    if scene.said is not Said.IN_FILE:
        return {}
    if scene.seen is Seen.MAP:
        return {"crs": scene.crs, "transform": scene.transform and rasterio.Affine(*scene.transform)}
    if scene.seen is Seen.FROM_ORBIT:
        return {"rpcs": _polynomials(scene)}
    return {"gcps": _control_points(scene), "crs": BENT_CRS if scene.seen is Seen.BENT else "EPSG:4326"}


def write_beside(scene: Scene, image: Path) -> tuple[Path, ...]:
    """Write what the image itself does not say into files beside it, as ``Scene.said`` names them."""
    if scene.transform is None or scene.said is Said.IN_FILE:
        return ()
    transform = rasterio.Affine(*scene.transform)
    if scene.said is Said.STAC_ITEM:
        return (_stac_item(scene, transform, image.with_suffix(".json")),)
    return _world_file(scene, transform, image)


def _control_points(scene: Scene) -> list[GroundControlPoint]:
    across, down = _POINTS[scene.seen]
    # in metres where the scan bends, so that GDAL's polynomial meets it; in degrees otherwise
    where = map_of(scene)[1] if scene.seen is Seen.BENT else camera_of(scene)
    if where is None:
        raise SceneError(f"scene {scene.name!r}: nothing says where it is")
    points = []
    for col in np.linspace(0, scene.width, across).tolist():
        for row in np.linspace(0, scene.height, down).tolist():
            x, y = where(col, row)
            points.append(GroundControlPoint(row=row, col=col, x=float(x), y=float(y)))
    return points


def _polynomials(scene: Scene) -> RPC:
    half_width, half_height = scene.width / 2, scene.height / 2
    return RPC(
        height_off=HEIGHT_M,
        height_scale=HEIGHT_SCALE_M,
        lat_off=LAT,
        lat_scale=half_height * LAT_PER_PX,
        long_off=LON,
        long_scale=half_width * LON_PER_PX,
        line_off=half_height,
        line_scale=half_height,
        samp_off=half_width,
        samp_scale=half_width,
        line_num_coeff=[0, LEAN, -1, OFF_NADIR, *_REST],
        line_den_coeff=[1, NEARER, 0, 0, *_REST],
        samp_num_coeff=[0, 1, SKEW, OFF_NADIR, *_REST],
        samp_den_coeff=[1, NEARER, 0, 0, *_REST],
        err_bias=None,
        err_rand=None,
    )


def _world_file(scene: Scene, transform: rasterio.Affine, image: Path) -> tuple[Path, Path]:
    x, y = transform @ (0.5, 0.5)
    numbers = (transform.a, transform.d, transform.b, transform.e, x, y)
    # the first and the last letter of the extension, and a w
    world = image.with_suffix("." + image.suffix[1] + image.suffix[-1] + "w")
    world.write_text("\n".join(map(repr, numbers)), encoding="ascii")
    aux = image.with_name(image.name + ".aux.xml")
    aux.write_text(f"<PAMDataset><SRS>{scene.crs}</SRS></PAMDataset>", encoding="utf-8")
    return world, aux


def _stac_item(scene: Scene, transform: rasterio.Affine, path: Path) -> Path:
    properties = {
        "proj:code": scene.crs,
        "proj:transform": list(transform)[:6],
        "proj:shape": [scene.height, scene.width],
    }
    item = {"type": "Feature", "geometry": None, "properties": properties, "assets": {}}
    path.write_bytes(orjson.dumps(item))
    return path
