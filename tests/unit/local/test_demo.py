"""The demo's own folder."""

from pathlib import Path

from local.demo_files import remove_earlier
from local.scenes import DemoSize, demo_changes, demo_scenes


def test_what_an_earlier_demo_made_is_removed_and_nothing_else(tmp_path):
    changes = [demo_changes(size) for size in DemoSize]
    scenes = [scene for size in DemoSize for scene in demo_scenes(size)] + [one.added for one in changes]
    made = {f"scenes/{name}" for scene in scenes for name in (scene.file_name, scene.truth_name)}
    made |= {f"{scene.name}.png" for scene in scenes} | {"bahamas.png", "summary.json", "detections.geojson"}
    made |= {f"scenes/later/{scene.file_name}" for one in changes for scene in (one.overwritten, one.added)}
    others = {"mine.png", "scenes/mine.tif", "notes.txt", "old.geojson"}
    (tmp_path / "scenes" / "later").mkdir(parents=True)
    for name in made | others:
        (tmp_path / name).write_text("x")
    remove_earlier(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == others


def test_before_the_first_demo_there_is_nothing_to_remove(tmp_path):
    remove_earlier(tmp_path / "demo-output")
    assert not (tmp_path / "demo-output").exists()
    assert Path("examples/bahamas.tif").exists()  # whose picture the other test expects to go


def test_what_happens_in_the_day_is_about_scenes_of_the_night():
    for size in DemoSize:
        night, changes = demo_scenes(size), demo_changes(size)
        assert changes.deleted in night
        [before] = [scene for scene in night if scene.name == changes.overwritten.name]
        assert (before.file_name, before.seed) != (changes.overwritten.file_name, changes.overwritten.seed)
        assert before.file_name == changes.overwritten.file_name
        assert changes.added.name not in {scene.name for scene in night}
