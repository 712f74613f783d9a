"""Overhead scenes with planted objects, and the truth about them."""

from local.scenes.cameras import camera_of
from local.scenes.demo import Changes, DemoSize, demo_changes, demo_scenes
from local.scenes.making import MadeScene, make
from local.scenes.places import PLACES
from local.scenes.spec import Bands, Compression, Form, Layout, Said, Scene, SceneError, Seen, Shape, Spacing

__all__ = [
    "PLACES",
    "Bands",
    "Changes",
    "Compression",
    "DemoSize",
    "Form",
    "Layout",
    "MadeScene",
    "Said",
    "Scene",
    "SceneError",
    "Seen",
    "Shape",
    "Spacing",
    "camera_of",
    "demo_changes",
    "demo_scenes",
    "make",
]
