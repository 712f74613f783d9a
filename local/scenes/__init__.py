"""Overhead scenes with planted objects, and the truth about them."""

from local.scenes.demo import DemoSize, demo_scenes
from local.scenes.making import MadeScene, make
from local.scenes.spec import Bands, Compression, Form, Layout, Scene, SceneError, Shape, Spacing

__all__ = [
    "Bands",
    "Compression",
    "DemoSize",
    "Form",
    "Layout",
    "MadeScene",
    "Scene",
    "SceneError",
    "Shape",
    "Spacing",
    "demo_scenes",
    "make",
]
