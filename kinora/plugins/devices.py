"""The devices of this machine, and the choice of one for a job.

GPUs are found by NVML, the small library that comes with NVIDIA's driver; CUDA is not loaded. They are numbered as NVML
does, in the order of the PCI bus. CUDA follows that order only with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

CPU = "cpu"
"""The id and the kind of the device that every machine has."""
NVML = "libnvidia-ml.so.1"
_TEXT_BYTES = 96
"""NVML's own size for names and UUIDs."""


@attrs.frozen
class Device:
    """A device that plugins can run on."""

    id: str
    """``cpu``, ``cuda:0``, …"""
    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    available: bool = True
    reason: str | None = None
    """Why it is not available."""


@attrs.frozen
class Resolution:
    """The device that a job runs on."""

    device_used: str
    fallback: bool = False
    reason: str | None = None
    """Why it is not the device that was asked for."""


@attrs.frozen
class Gpu:
    """One GPU as NVML sees it."""

    name: str
    uuid: str
    fault: str | None = None


class NvmlError(Exception):
    """NVML is missing or has failed; ``str()`` of the error is a sentence."""


def detect(load: Callable[[], Any] = lambda: ctypes.CDLL(NVML)) -> tuple[Device, ...]:
    """The devices of this machine, the CPU first. If no GPU can be used, ``cuda:0`` is listed with the reason.

    Blocks for some 100 ms if there is a driver. ``CUDA_VISIBLE_DEVICES`` is honoured.
    """
    cpu = Device("cpu", "cpu", _cpu_name())
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        found = _ask_nvml(load)
    except NvmlError as error:
        return cpu, Device("cuda:0", "cuda", "NVIDIA GPU", available=False, reason=str(error))
    shown = visible(found, setting)
    if not shown:
        hidden = f"CUDA_VISIBLE_DEVICES={setting} hides every GPU of this machine ({len(found)})"
        reason = hidden if found else "the NVIDIA driver finds no GPU"
        return cpu, Device("cuda:0", "cuda", "NVIDIA GPU", available=False, reason=reason)
    return cpu, *(
        Device(f"cuda:{number}", "cuda", gpu.name, available=gpu.fault is None, reason=gpu.fault)
        for number, gpu in enumerate(shown)
    )


def visible(gpus: Sequence[Gpu], setting: str | None) -> list[Gpu]:
    """The GPUs that CUDA would show, in its order, for this value of ``CUDA_VISIBLE_DEVICES``.

    Entries are indices or beginnings of UUIDs. As in CUDA, the first entry that matches no GPU ends the list, and
    a repeated one makes it empty.
    """
    if setting is None:
        return list(gpus)
    shown: list[Gpu] = []
    for entry in setting.split(","):
        gpu = _find(gpus, entry.strip())
        if gpu is None:
            break
        if gpu in shown:
            return []
        shown.append(gpu)
    return shown


def _find(gpus: Sequence[Gpu], entry: str) -> Gpu | None:
    if entry.isdecimal():
        return gpus[int(entry)] if int(entry) < len(gpus) else None
    if entry.startswith("MIG-"):  # a part of a GPU: NVML lists whole ones only
        return Gpu("NVIDIA MIG device", entry)
    matching = [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else None


def with_gpus(devices: Sequence[Device], names: Sequence[str]) -> tuple[Device, ...]:
    """The devices, and the GPUs that a library has found if NVML shows none; ``names`` are in CUDA's order."""
    if not names or any(device.available for device in devices if device.kind != CPU):
        return tuple(devices)
    cpu = (device for device in devices if device.kind == CPU)
    return *cpu, *(Device(f"cuda:{number}", "cuda", name) for number, name in enumerate(names))


def resolve(requested: str, plugin_kinds: Iterable[Collection[str]], devices: Sequence[Device]) -> Resolution:
    """The device for a job; ``plugin_kinds`` has, for each of its plugins, the kinds of device it can run on.

    ``auto`` takes the first GPU that at least one of them can use, else the CPU, and is never a fallback. Any other
    request that cannot be met becomes the CPU, with the reason.
    """
    kinds = {kind for plugin in plugin_kinds for kind in plugin}
    gpus = [device for device in devices if device.kind != "cpu"]
    if requested == "cpu":
        return Resolution("cpu")
    if requested == "auto":
        usable = [gpu.id for gpu in gpus if gpu.available and gpu.kind in kinds]
        return Resolution(usable[0] if usable else "cpu")
    wanted = sorted(gpus, key=lambda gpu: not gpu.available) if requested == "gpu" else gpus
    device = next((gpu for gpu in wanted if requested in ("gpu", gpu.id)), None)
    if device is None:
        return Resolution("cpu", fallback=True, reason=f"this machine has no {requested}, only {_listed(devices)}")
    if not device.available:
        return Resolution("cpu", fallback=True, reason=f"{device.id} is not available: {device.reason}")
    if device.kind not in kinds:
        return Resolution("cpu", fallback=True, reason=f"none of the job's plugins runs on {device.kind}")
    return Resolution(device.id)


def _listed(devices: Sequence[Device]) -> str:
    return ", ".join(device.id for device in devices if device.available)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _ask_nvml(load: Callable[[], Any]) -> list[Gpu]:
    try:
        nvml = load()
    except OSError as error:
        raise NvmlError(f"there is no NVIDIA driver here ({NVML} cannot be loaded)") from error
    nvml.nvmlErrorString.restype = ctypes.c_char_p
    _check(nvml, nvml.nvmlInit_v2())
    try:
        count = ctypes.c_uint()
        _check(nvml, nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [_gpu(nvml, index) for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    """One GPU. A lost one keeps its number, so that those after it keep theirs."""
    handle = ctypes.c_void_p()
    try:
        _check(nvml, nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)))
        return Gpu(_text(nvml, nvml.nvmlDeviceGetName, handle), _text(nvml, nvml.nvmlDeviceGetUUID, handle))
    except NvmlError as error:
        return Gpu("NVIDIA GPU", f"lost-{index}", str(error))


def _text(nvml: Any, getter: Callable[..., int], handle: ctypes.c_void_p) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_BYTES)
    _check(nvml, getter(handle, buffer, ctypes.c_uint(_TEXT_BYTES)))
    return buffer.value.decode("utf-8", "replace")


def _check(nvml: Any, code: int) -> None:
    if code:
        words = (nvml.nvmlErrorString(code) or b"").decode("utf-8", "replace")
        raise NvmlError(f"the NVIDIA driver reports error {code}: {words}")
