"""The demo's own folder."""

from pathlib import Path

from local.demo import remove_earlier
from local.scenes import DemoSize, demo_scenes


def test_what_an_earlier_demo_made_is_removed_and_nothing_else(tmp_path):
    scenes = [scene for size in DemoSize for scene in demo_scenes(size)]
    made = {f"scenes/{name}" for scene in scenes for name in (scene.file_name, scene.truth_name)}
    made |= {f"{scene.name}.png" for scene in scenes} | {"bahamas.png", "summary.json", "detections.geojson"}
    others = {"mine.png", "scenes/mine.tif", "notes.txt", "old.geojson"}
    (tmp_path / "scenes").mkdir()
    for name in made | others:
        (tmp_path / name).write_text("x")
    remove_earlier(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == others


def test_before_the_first_demo_there_is_nothing_to_remove(tmp_path):
    remove_earlier(tmp_path / "demo-output")
    assert not (tmp_path / "demo-output").exists()
    assert Path("examples/bahamas.tif").exists()  # whose picture the other test expects to go
