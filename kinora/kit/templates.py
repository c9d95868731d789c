"""The files that a new plugin begins with; ``$name`` and its like are replaced."""

from __future__ import annotations

PLUGIN = '''"""The plugin $name of Kinora."""

from __future__ import annotations

from typing import Any

import cv2
from kinora.plugins import Frame, Plugin, PluginContext, PluginMetadata

SMALLEST = 16
"""The smallest area that counts, in pixels."""


class $title(Plugin):
    """Finds bright areas: an example, to be replaced by your own code."""

    metadata = PluginMetadata(
        name="$name",
        version="0.1.0",
        description="Bright areas, and how bright the whole frame is",
        outputs=("detections", "metrics"),
        stateless=True,  # no result depends on earlier frames, so several processes may share the work
        config_schema={
            "type": "object",
            "properties": {
                "threshold": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 254,
                    "default": 200,
                    "description": "An area is bright if its pixels are brighter than this",
                },
            },
            "additionalProperties": False,
        },
    )

    def prepare(self, context: PluginContext) -> None:
        """Load models here, and not on import; it runs once, before the first frame."""
        self.threshold = context.options["threshold"]

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return what is found on one frame; its picture is BGR and can only be read."""
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        _, bright = cv2.threshold(cv2.medianBlur(grey, 5), self.threshold, 255, cv2.THRESH_BINARY)
        outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        detections = []
        for x, y, width, height in map(cv2.boundingRect, outlines):
            if width * height < SMALLEST:
                continue
            confidence = float(grey[y : y + height, x : x + width].mean()) / 255
            box = {"x": x, "y": y, "width": width, "height": height}
            detections.append({**box, "confidence": confidence, "class": "bright"})
        return {"detections": detections, "metrics": {"brightness": float(grey.mean())}}
'''

TEST = '''"""Tests of the plugin $name."""

from __future__ import annotations

import numpy as np
import pytest
from $module import $title
from kinora.plugins.testing import run_plugin


def picture() -> np.ndarray:
    """A dark picture with one bright area."""
    dark = np.zeros((48, 64, 3), np.uint8)
    dark[10:20, 30:50] = 255
    return dark


def test_a_bright_area_is_found() -> None:
    """Its box is told in pixels, from the top left corner."""
    run = run_plugin($title, [picture()])
    (found,) = run.results[0]["detections"]
    assert found == {"x": 30, "y": 10, "width": 20, "height": 10, "confidence": 1.0, "class": "bright"}
    assert run.warnings == []


@pytest.mark.parametrize(("threshold", "areas"), [(100, 1), (140, 0)])
def test_the_threshold_is_an_option(threshold: int, areas: int) -> None:
    """An area of medium brightness counts or not."""
    run = run_plugin($title, [picture() // 2], {"threshold": threshold})
    assert len(run.results[0]["detections"]) == areas
'''

PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
description = "A plugin of Kinora"
requires-python = ">=3.11"
dependencies = ["kinora"]

[project.entry-points."kinora.plugins"]
$name = "$module:$title"

[tool.hatch.build.targets.wheel]
packages = ["$module"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

README = """# $name

A plugin of Kinora.

Does it keep what a plugin promises, what does it find, and what do its own tests say?

    kinora plugins check ./$module
    kinora run demo: -p ./$module
    pytest

Once it is installed it is found by its name:

    pip install -e .
    kinora run demo: -p $name
"""
