"""Type checkers know what a program gets: mypy checks the assertions here together with the rest of the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import kinora
from kinora.plugins import Frame


def own(frame: Frame) -> Mapping[str, Any]:
    """A function that is a plugin."""
    return {"index": frame.index}


def a_loop() -> None:
    """What a loop has at hand; mypy reads it, nothing runs it."""
    run = assert_type(kinora.run(Path("clip.mp4"), plugins=["people", own], policy="latest"), kinora.Run)
    for frame in run:
        assert_type(frame, kinora.RunFrame)
        a_frame(frame)
    with assert_type(kinora.run("clip.mp4", own), kinora.Run) as left:
        assert_type([frame.keep() for frame in left], list[kinora.RunFrame])
    assert_type((run.status, run.job_id), tuple[str, str | None])
    assert_type(run.warnings, tuple[str, ...])
    assert_type(run.events, Sequence[Mapping[str, Any]])
    assert_type(run.logs, Mapping[str, str])
    assert_type((run.final, run.state), tuple[Mapping[str, Any], Mapping[str, Any]])
    assert_type(run.export("coco", "labels"), list[Path])
    assert_type(run.annotate("out.mp4"), Path)
    assert_type(run.to_pandas(), pd.DataFrame)


def a_frame(frame: kinora.RunFrame) -> None:
    """What a frame has."""
    assert_type((frame.index, frame.width, frame.height), tuple[int, int, int])
    assert_type(frame.timestamp_ms, float)
    assert_type((frame.frame_id, frame.file, frame.received_at), tuple[str, str | None, str | None])
    assert_type(frame.image, NDArray[np.uint8])
    assert_type(frame.plot(), NDArray[np.uint8])
    assert_type(frame.keep(), kinora.RunFrame)
    assert_type(frame.results, Mapping[str, kinora.Result])
    assert_type(frame["people"], kinora.Result)
    assert_type(frame["people"].class_name, NDArray[np.str_])
    assert_type(frame.get("people"), kinora.Result | None)
    assert_type(list(frame), list[str])
    assert_type(frame.errors, Mapping[str, str])
    assert_type(frame.events, Sequence[Mapping[str, Any]])
    assert_type(frame.detections, kinora.Detections)
    assert_type(frame.detections.track_id, NDArray[np.int64])
    assert_type(frame.detections[frame.detections.confidence > 0.5].xyxy, NDArray[np.float32])


def a_failure(failure: kinora.PluginFailed) -> None:
    """What a strict run raises."""
    assert_type((failure.plugin, failure.message, failure.index), tuple[str, str, int | None])
    error: kinora.RunError = failure
    assert_type(error, kinora.RunError)


async def an_async_loop() -> None:
    """The same of ``async for``, on a server."""
    server = assert_type(kinora.connect("http://127.0.0.1:8000"), kinora.Server)
    async for frame in assert_type(server.run("clip.mp4", ["people"], strict=True), kinora.Run):
        assert_type(frame, kinora.RunFrame)


def test_the_package_says_that_it_is_typed() -> None:
    """And has all its names, though each is imported at its first use."""
    assert files("kinora").joinpath("py.typed").is_file()
    names = {"run", "connect", "Run", "RunFrame", "Result", "Detections", "Server"}
    names |= {"RunError", "PluginFailed", "PictureGone"}
    assert names <= set(dir(kinora))
    assert all(getattr(kinora, name) is not None for name in names)
