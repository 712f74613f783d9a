"""Planted objects come out at their longitude and latitude, whatever it is that says where the image is."""

from pathlib import Path

import pytest
import shapely

from local.offsets import off_ground_px
from local.scenes import PLACES, Said, Seen, camera_of, make
from local.truth import compare
from tests.end_to_end.user import Written, imagery_backfill

BY = {
    Seen.MAP: "affine",
    Seen.BENT: "gcps",
    Seen.WAVING: "gcps_thin_plate",
    Seen.OBLIQUE: "gcps_projective",
    Seen.FROM_ORBIT: "rpcs",
}
FROM = {Said.IN_FILE: "", Said.WORLD_FILE: "world-file.pgw", Said.STAC_ITEM: "stac-item.json"}


@pytest.mark.parametrize("name", PLACES)
def test_planted_objects_are_where_they_were_planted_within_a_pixel(name, tmp_path, rekognition_url):
    made = make(PLACES[name], tmp_path)
    out, detector = tmp_path / "found.geojson", f"rekognition@{rekognition_url}"
    assert imagery_backfill("run", made.image, "--to", out, "--detector", detector).exit_code == 0
    written = Written.read(out)
    described = written.image(made.image.name)["properties"]
    assert described["georeference"] == BY[made.scene.seen]
    assert Path(described.get("georeference_from", "")).name == FROM[made.scene.said]
    compared = compare(written.objects(made.image.name), made.objects)
    assert (compared.missed, compared.extra, len(compared.matched)) == ((), (), 40)
    assert max(off_ground_px(compared.matched, camera_of(made.scene))) <= 1


def test_a_scene_with_the_pole_in_it_has_it_in_its_footprint(tmp_path, rekognition_url):
    made = make(PLACES["south-pole"], tmp_path)
    out, detector = tmp_path / "found.geojson", f"rekognition@{rekognition_url}"
    assert imagery_backfill("run", made.image, "--to", out, "--detector", detector).exit_code == 0
    outline = shapely.geometry.shape(Written.read(out).image(made.image.name)["geometry"])
    west, south, east, _ = outline.bounds
    assert (west, south, east) == (-180, -90, 180)
