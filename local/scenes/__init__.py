"""Overhead scenes with planted objects, and the truth about them."""

from local.scenes.demo import Changes, DemoSize, demo_changes, demo_scenes
from local.scenes.making import MadeScene, make
from local.scenes.spec import Bands, Compression, Form, Layout, Scene, SceneError, Shape, Spacing

__all__ = [
    "Bands",
    "Changes",
    "Compression",
    "DemoSize",
    "Form",
    "Layout",
    "MadeScene",
    "Scene",
    "SceneError",
    "Shape",
    "Spacing",
    "demo_changes",
    "demo_scenes",
    "make",
]
