"""What the demo leaves in ``demo-output/``, and what of an earlier one it takes away."""

from pathlib import Path

from local.demo_report import DETECTIONS
from local.scenes import DemoSize, demo_changes, demo_scenes

OUTPUT = Path("demo-output")
SCENES, LATER = OUTPUT / "scenes", OUTPUT / "scenes" / "later"
EXAMPLES = Path("examples")
SUMMARY = "summary.json"
IMAGES = ("*.tif", "*.jpg")
"""Of the examples."""


def remove_earlier(output: Path) -> None:
    """Remove what an earlier demo left, so that what is there afterwards is of this one; what else is there stays."""
    scenes = [scene for size in DemoSize for scene in (*demo_scenes(size), demo_changes(size).added)]
    later = [scene for size in DemoSize for scene in (demo_changes(size).overwritten, demo_changes(size).added)]
    pictures = [Path(scene.file_name).with_suffix(".png") for scene in scenes]
    pictures += [Path(image.name).with_suffix(".png") for pattern in IMAGES for image in EXAMPLES.glob(pattern)]
    made = [Path("scenes", name) for scene in scenes for name in (scene.file_name, scene.truth_name)]
    made += [Path("scenes", "later", name) for scene in later for name in (scene.file_name, scene.truth_name)]
    for name in (*pictures, *made, Path(DETECTIONS), Path(SUMMARY)):
        (output / name).unlink(missing_ok=True)
