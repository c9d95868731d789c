"""Properties of every built-in plugin."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin
from kinora.plugins.builtin.colors import Colors
from kinora.plugins.builtin.faces import Faces
from kinora.plugins.builtin.motion import Motion
from kinora.plugins.builtin.ocr import Ocr
from kinora.plugins.builtin.onnx import Onnx
from kinora.plugins.builtin.people import People
from kinora.plugins.builtin.quality import Quality
from kinora.plugins.builtin.scenes import Scenes
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.builtin.zones import Zones
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.options import check_options
from kinora.plugins.testing import run_plugin
from tests.plugins.drawn import face, noisy, plain, walk, walker
from tests.plugins.onnx_models import save_model

ALL = (Motion, People, Faces, Tracker, Zones, Quality, Colors, Scenes)
WITH_EXTRAS = (Onnx, Ocr)


def test_each_entry_point_leads_to_its_plugin() -> None:
    """The project's entry points name all built-in plugins, each under the name in its metadata."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["kinora.plugins"]
    found = {}
    for name, point in points.items():
        module, attribute = point.split(":")
        found[name] = getattr(import_module(module), attribute)
    assert set(found.values()) == {*ALL, *WITH_EXTRAS}
    assert all(plugin.metadata.name == name for name, plugin in found.items())


@pytest.mark.parametrize("plugin", [*ALL, *WITH_EXTRAS])
def test_each_option_says_what_it_is_and_each_number_its_range(plugin: type[Plugin]) -> None:
    """A form needs no more than the schema."""
    schema = plugin.metadata.config_schema
    assert schema is not None
    for name, option in schema["properties"].items():
        assert option["description"], name
        if option.get("type") in {"integer", "number"}:
            assert option["minimum"] < option["maximum"], name
        if option.get("type") == "integer":
            assert option["unit"], name


@pytest.mark.parametrize("plugin", ALL)
def test_metadata_tells_everything(plugin: type[Plugin]) -> None:
    """Each says its version, author, purpose and options, and every option has a default and a description."""
    metadata = plugin.metadata
    assert metadata.author == "Kinora"
    assert metadata.version != "0.0.0"
    assert metadata.description
    assert metadata.tags
    assert metadata.outputs
    assert metadata.capabilities
    schema = metadata.config_schema
    assert schema is not None
    assert schema["additionalProperties"] is False
    for option in schema["properties"].values():
        assert option["description"]
        assert "default" in option
    defaults = {name: option["default"] for name, option in schema["properties"].items()}
    assert check_options(metadata, {}) == defaults


@pytest.mark.parametrize("plugin", ALL)
def test_an_unknown_option_is_refused(plugin: type[Plugin]) -> None:
    """A misspelt option is an error before anything runs."""
    with pytest.raises(OptionsError):
        run_plugin(plugin, [], {"no_such_option": 1})


@pytest.mark.parametrize("plugin", ALL)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 3000), (3000, 1), (8, 8), (60, 80)])
def test_odd_shapes_are_no_trouble(plugin: type[Plugin], shape: tuple[int, int]) -> None:
    """Pictures of any shape, down to one pixel, get a result."""
    images = [noisy(plain(width=shape[1], height=shape[0]), 60, seed) for seed in range(3)]
    results = run_plugin(plugin, images).results
    assert len(results) == 3
    assert None not in results


@pytest.mark.parametrize("plugin", ALL)
def test_the_same_pictures_give_the_same_results(plugin: type[Plugin]) -> None:
    """No result depends on chance or on an earlier run."""
    images = [noisy(plain(width=160, height=200), 40, seed) for seed in range(4)]
    assert run_plugin(plugin, images) == run_plugin(plugin, images)


def test_boxes_stay_inside_the_picture_and_are_rounded() -> None:
    """Detections lie in the source frame, even those of things half outside, with at most one decimal."""
    half_a_face = face(240)[:, 290:530]
    walking = walk([walker(start_x=0, speed=800)], frames=40)
    for plugin, images in (
        (People, walking),
        (Motion, walking),
        (Faces, [face(470), half_a_face]),
    ):
        run = run_plugin(plugin, images)
        found = [(image, d) for image, r in zip(images, run.results, strict=True) for d in (r or {})["detections"]]
        assert found
        for image, d in found:
            height, width = image.shape[:2]
            assert d["x"] >= 0
            assert d["y"] >= 0
            assert d["x"] + d["width"] <= width + 0.11
            assert d["y"] + d["height"] <= height + 0.11
            assert 0 <= d["confidence"] <= 1
            assert all(round(d[key], 1) == d[key] for key in ("x", "y", "width", "height"))


SIZES = ((1, 1), (320, 240), (240, 320), (2, 3), (16384, 2), (2, 16384), (7680, 4320), (320, 240))
"""Width and height of one picture after the other; the largest that fits in the memory of a test is 8K."""


def _noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


KINDS: dict[str, Callable[[int, int], NDArray[np.uint8]]] = {
    "constant": lambda width, height: plain((0, 0, 0), width, height),
    "grey": lambda width, height: np.repeat(_noise(width, height)[..., :1], 3, axis=2),
    "coloured": _noise,
}


def _numbers(value: object) -> Iterator[float]:
    """All numbers in a result."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)
    elif isinstance(value, int | float):
        yield value


@pytest.fixture
def options_of(tmp_path: Path) -> dict[type[Plugin], dict[str, Any]]:
    """What a plugin cannot run without."""
    return {Onnx: {"model": save_model(tmp_path / "model.onnx", "yolov8").name}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plugin", [*ALL, *WITH_EXTRAS])
def test_pictures_may_change_their_size(
    plugin: type[Plugin], kind: str, tmp_path: Path, options_of: dict[type[Plugin], dict[str, Any]]
) -> None:
    """One picture of a pixel, a strip, an 8K one, all in one job: each has a result, and no box lies outside of it."""
    frames = []
    for index, (width, height) in enumerate(SIZES):
        box = {"x": 0, "y": 0, "width": width, "height": height, "confidence": 0.9, "class": "person"}
        results = {"people": {"detections": [box]}}
        image = KINDS[kind](width, height)
        frames.append(Frame(image=image, index=index, timestamp_ms=index * 40.0, results=results))
    run = run_plugin(plugin, frames, options_of.get(plugin), models_dir=tmp_path)
    for (width, height), result in zip(SIZES, run.results, strict=True):
        assert result is not None
        assert all(math.isfinite(number) for number in _numbers(result))
        for found in result.get("detections", ()):
            assert 0 <= found["x"] <= found["x"] + found["width"] <= width + 0.11
            assert 0 <= found["y"] <= found["y"] + found["height"] <= height + 0.11
            assert 0 <= found["confidence"] <= 1


@pytest.mark.parametrize("plugin", [*ALL, *WITH_EXTRAS])
def test_no_pictures_at_all(
    plugin: type[Plugin], tmp_path: Path, options_of: dict[type[Plugin], dict[str, Any]]
) -> None:
    """A source without a picture is no trouble either."""
    assert run_plugin(plugin, [], options_of.get(plugin), models_dir=tmp_path).results == []


def test_importing_them_calls_nothing_of_opencv() -> None:
    """A process that has imported all of them has started no thread: it can still be forked safely."""
    modules = ", ".join(f"kinora.plugins.builtin.{plugin.metadata.name}" for plugin in ALL)
    check = f"import {modules}, os; assert len(os.listdir('/proc/self/task')) == 1"
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True)


def test_a_plugin_gets_read_only_pictures() -> None:
    """``run_plugin`` gives what a worker gives: a picture that cannot be written to."""
    seen = []

    class Writer(Plugin):
        metadata = Colors.metadata

        def process_frame(self, frame: Frame) -> None:
            seen.append(frame.image.flags.writeable)

    image = plain()
    run_plugin(Writer, [image])
    assert seen == [False]
    assert image.flags.writeable
