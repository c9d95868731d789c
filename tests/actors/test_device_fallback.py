"""A plugin whose device fails goes on without it. The device of these tests exists only as an id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.models import JobState
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.requests.job_request import parse_job_request
from kinora.plugins.devices import Device
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, codes_of, ended, frames_of, messages_of, nothing_left_behind, write_plugin

DEVICES = (Device("cpu", "cpu", "A CPU"), Device("cuda:0", "cuda", "A GPU"))
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."
PLUGINS = f"""
from kinora.plugins import DeviceError

class OnDevice(Plugin):
    metadata = PluginMetadata(name="on-device", devices=("cpu", "cuda"))
    def prepare(self, context):
        self.device = context.device
    def process_frame(self, frame):
        return {{"device": self.device}}

class Greedy(OnDevice):
    metadata = PluginMetadata(name="greedy", devices=("cpu", "cuda"))
    def process_frame(self, frame):
        if self.device != "cpu" and frame.index == 10:
            raise RuntimeError("{OUT_OF_MEMORY}")
        return super().process_frame(frame)

class Driverless(OnDevice):
    metadata = PluginMetadata(name="driverless", devices=("cpu", "cuda"))
    def prepare(self, context):
        super().prepare(context)
        if context.device != "cpu":
            raise DeviceError("the driver is gone")

class Blaming(OnDevice):
    metadata = PluginMetadata(name="blaming", devices=("cpu", "cuda"))
    def process_frame(self, frame):
        raise DeviceError("it is always the device")

class Faulty(OnDevice):
    metadata = PluginMetadata(name="faulty", devices=("cpu", "cuda"))
    def process_frame(self, frame):
        if frame.index == 10:
            raise ValueError("not this one")
        return super().process_frame(frame)

class Unlucky(Greedy):
    metadata = PluginMetadata(name="unlucky", devices=("cpu", "cuda"))
    def prepare(self, context):
        super().prepare(context)
        if context.device == "cpu":
            os._exit(3)
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "devices", PLUGINS)


@pytest.fixture
async def with_gpu(settings: Settings) -> AsyncIterator[System]:
    """A running system that takes a GPU to be there."""
    async with open_system(settings, DEVICES) as running:
        yield running


async def run_on(system: System, device: str, *plugins: str) -> JobState:
    """Run a job that asks for a device."""
    request = {"source": "clip.mp4", "plugins": list(plugins), "device_requested": device}
    return await ended(system, (await system.jobs.submit(parse_job_request(request))).state)


async def devices_of(system: System, state: JobState, plugin: str) -> list[Any]:
    """The device on which each frame was processed, by the plugin's own result."""
    return [frame["results"][plugin]["device"] for frame in await frames_of(system, state)]


async def test_out_of_memory_on_a_frame(with_gpu: System) -> None:
    """The plugin continues on the CPU from that very frame, no frame is missing, and state and messages say so."""
    with nothing_left_behind(with_gpu):
        state = await run_on(with_gpu, "auto", "greedy")
    assert await devices_of(with_gpu, state, "greedy") == ["cuda:0"] * 10 + ["cpu"] * (CLIP_FRAMES - 10)
    assert (state.status, state.device_used, state.fallback) == ("done", "cpu", True)
    assert state.fallback_reason == f"greedy: cuda:0 failed: RuntimeError: {OUT_OF_MEMORY}"
    stage = state.plugins["greedy"]
    assert (stage.device_used, stage.failures, stage.status) == ("cpu", 0, "completed")
    assert codes_of(with_gpu, state.job_id) == [("greedy", "DEVICE_FALLBACK"), ("greedy", "STATE_LOST")]
    warnings = messages_of(with_gpu, state.job_id, "warning")
    assert {warning["payload"]["frame_id"] for warning in warnings} == {"frame-000010"}
    assert OUT_OF_MEMORY in warnings[0]["payload"]["message"]
    said = [m["payload"]["device_used"] for m in messages_of(with_gpu, state.job_id, "frame")]
    assert said == ["cuda:0"] * 10 + ["cpu"] * (CLIP_FRAMES - 10)


async def test_no_driver_when_it_is_prepared(with_gpu: System) -> None:
    """A device error in ``prepare`` costs no frame and counts as no failure."""
    state = await run_on(with_gpu, "gpu", "driverless")
    assert await devices_of(with_gpu, state, "driverless") == ["cpu"] * CLIP_FRAMES
    assert (state.device_used, state.fallback, state.plugins["driverless"].failures) == ("cpu", True, 0)
    assert codes_of(with_gpu, state.job_id) == [("driverless", "DEVICE_FALLBACK")]


async def test_others_keep_the_device(with_gpu: System) -> None:
    """One plugin's fallback leaves the other plugins where they are, and the job on its device."""
    state = await run_on(with_gpu, "auto", "greedy", "on-device")
    assert await devices_of(with_gpu, state, "on-device") == ["cuda:0"] * CLIP_FRAMES
    assert (state.device_used, state.fallback) == ("cuda:0", True)
    assert {name: stage.device_used for name, stage in state.plugins.items()} == {
        "greedy": "cpu",
        "on-device": "cuda:0",
    }


async def test_without_a_device_error_nothing_changes(with_gpu: System) -> None:
    """A plugin's own error on a GPU is a plugin's error: it stays there."""
    state = await run_on(with_gpu, "auto", "faulty")
    assert (state.device_used, state.fallback, state.fallback_reason) == ("cuda:0", False, None)
    assert codes_of(with_gpu, state.job_id) == [("faulty", "PLUGIN_ERROR")]


async def test_on_the_cpu_a_device_error_is_an_error(with_gpu: System) -> None:
    """There is nothing to fall back to from the CPU: one fallback, then errors until the plugin is disabled."""
    state = await run_on(with_gpu, "auto", "blaming")
    assert state.status == "done"
    codes = [code for _, code in codes_of(with_gpu, state.job_id)]
    assert codes.count("DEVICE_FALLBACK") == 1
    assert codes[-1] == "PLUGIN_DISABLED"


async def test_a_plugin_that_cannot_run_on_the_cpu_either(with_gpu: System) -> None:
    """When it fails there as well it is disabled as ever, and the job goes on to its end."""
    state = await run_on(with_gpu, "auto", "unlucky", "on-device")
    assert state.status == "done"
    assert state.plugins["unlucky"].status == "failed"
    assert await devices_of(with_gpu, state, "on-device") == ["cuda:0"] * CLIP_FRAMES


async def test_the_next_job_waits_for_the_cool_down(with_gpu: System) -> None:
    """A job soon after begins on the CPU and says why; other plugins still begin on the device."""
    await run_on(with_gpu, "auto", "greedy")
    state = await run_on(with_gpu, "auto", "greedy", "on-device")
    assert await devices_of(with_gpu, state, "greedy") == ["cpu"] * CLIP_FRAMES
    assert await devices_of(with_gpu, state, "on-device") == ["cuda:0"] * CLIP_FRAMES
    assert codes_of(with_gpu, state.job_id) == [("greedy", "DEVICE_FALLBACK")]
    assert OUT_OF_MEMORY in str(state.fallback_reason)


async def test_after_the_cool_down_the_device_is_tried_again(settings: Settings) -> None:
    """With no cool-down, the next job begins on the device as the first one did."""
    async with open_system(attrs.evolve(settings, device_cool_down_s=0.0), DEVICES) as system:
        for _ in range(2):
            state = await run_on(system, "auto", "greedy")
            assert (await devices_of(system, state, "greedy"))[9:11] == ["cuda:0", "cpu"]


async def test_the_length_of_the_cool_down(autojump_clock: trio.testing.MockClock) -> None:
    """It lasts to the second, for the one plugin and device only, and begins anew with each failure."""
    health = DeviceHealth(60.0)
    assert health.why_not("greedy", "cuda:0") is None
    health.note_failure("greedy", "cuda:0", "no memory")
    await trio.sleep(40)
    assert health.why_not("greedy", "cuda:0") == (
        "cuda:0 failed under this plugin 40 s ago and is tried again 60 s after the failure: no memory"
    )
    assert health.why_not("modest", "cuda:0") is None
    assert health.why_not("greedy", "cuda:1") is None
    health.note_failure("greedy", "cuda:0", "no memory")
    await trio.sleep(59.9)
    assert health.why_not("greedy", "cuda:0") is not None
    await trio.sleep(0.1)
    assert health.why_not("greedy", "cuda:0") is None
