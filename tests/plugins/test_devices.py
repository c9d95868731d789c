"""The devices of a machine, and the one that a job gets."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.plugins.devices import Device, Gpu, Resolution, detect, resolve, visible, with_gpus

CPU = Device("cpu", "cpu", "A CPU")
GPU0 = Device("cuda:0", "cuda", "A GPU")
GPU1 = Device("cuda:1", "cuda", "Another GPU")
LOST = Device("cuda:0", "cuda", "A GPU", available=False, reason="GPU is lost")
BOTH = ("cpu", "cuda")


class Nvml:
    """NVIDIA's library as a machine with these GPUs would answer; None stands for a GPU that is lost."""

    def __init__(self, *names: str | None, init: int = 0) -> None:
        self.names = names
        self.init = init
        self.open = 0
        self.nvmlErrorString = _ErrorString()

    def nvmlInit_v2(self) -> int:  # noqa: N802, D102 - NVML's name
        self.open += not self.init
        return self.init

    def nvmlShutdown(self) -> int:  # noqa: N802, D102 - NVML's name
        self.open -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802, D102 - NVML's name
        count._obj.value = len(self.names)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:  # noqa: N802, D102 - as above
        handle._obj.value = index.value + 1
        return 15 if self.names[index.value] is None else 0

    def nvmlDeviceGetName(self, handle: Any, buffer: Any, size: ctypes.c_uint) -> int:  # noqa: N802, D102 - as above
        buffer.value = (self.names[handle.value - 1] or "").encode()
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, buffer: Any, size: ctypes.c_uint) -> int:  # noqa: N802, D102 - as above
        buffer.value = f"GPU-{handle.value}".encode()
        return 0


class _ErrorString:
    restype: Any = None

    def __call__(self, code: int) -> bytes:
        return b"GPU is lost"


@pytest.fixture(autouse=True)
def _all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def loads(nvml: Nvml) -> Callable[[], Nvml]:
    """A stand-in for loading the library."""
    return lambda: nvml


def test_this_machine_has_a_cpu() -> None:
    """The first device is always a CPU with a name, and each unavailable device says why."""
    cpu, *others = detect()
    assert (cpu.id, cpu.kind, cpu.available) == ("cpu", "cpu", True)
    assert cpu.name
    assert all(device.available or device.reason for device in others)


def test_without_a_driver_the_reason_is_told() -> None:
    """A user who wonders where the GPU is finds the answer in the list."""

    def load() -> Any:
        return ctypes.CDLL("libno-such-thing.so.1")

    _, gpu = detect(load)
    assert not gpu.available
    assert gpu.reason is not None
    assert "no NVIDIA driver" in gpu.reason


def test_gpus_are_numbered_and_named() -> None:
    """Each GPU is one device, and the library is let go again."""
    nvml = Nvml("NVIDIA H200", "NVIDIA L4")
    assert detect(loads(nvml))[1:] == (
        Device("cuda:0", "cuda", "NVIDIA H200"),
        Device("cuda:1", "cuda", "NVIDIA L4"),
    )
    assert nvml.open == 0


def test_a_lost_gpu_keeps_its_number() -> None:
    """It is listed with the driver's reason, and the one behind it stays cuda:1."""
    _, lost, other = detect(loads(Nvml(None, "NVIDIA L4")))
    assert not lost.available
    assert lost.reason == "the NVIDIA driver reports error 15: GPU is lost"
    assert (other.id, other.available) == ("cuda:1", True)


def test_a_driver_that_fails_is_a_reason() -> None:
    """A driver that does not fit its library, say, makes the GPU unavailable and nothing else."""
    _, gpu = detect(loads(Nvml("NVIDIA L4", init=18)))
    assert not gpu.available
    assert gpu.reason is not None
    assert "error 18" in gpu.reason


def test_a_driver_without_gpus_is_a_reason() -> None:
    """The driver is there, the card is not."""
    _, gpu = detect(loads(Nvml()))
    assert gpu.reason == "the NVIDIA driver finds no GPU"


def test_hidden_gpus_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA_VISIBLE_DEVICES chooses and renumbers, and where it hides all of them, it is named."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert detect(loads(Nvml("A", "B")))[1:] == (Device("cuda:0", "cuda", "B"),)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _, gpu = detect(loads(Nvml("A", "B")))
    assert not gpu.available
    assert gpu.reason == "CUDA_VISIBLE_DEVICES= hides every GPU of this machine (2)"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, "abc"),
        ("", ""),
        ("-1", ""),
        ("2,0", "ca"),
        (" 1 , 2", "bc"),
        ("0,9,1", "a"),
        ("0,x,1", "a"),
        ("0,0", ""),
        ("GPU-12", "b"),
        ("GPU-1", ""),
        ("GPU-2,GPU-11", "ca"),
        ("NoDevFiles", ""),
    ],
)
def test_visible_devices_are_read_as_cuda_does(setting: str | None, expected: str) -> None:
    """Indices and UUID beginnings in the given order, up to the first that fits none; empty if one comes twice."""
    gpus = [Gpu("a", "GPU-11"), Gpu("b", "GPU-12"), Gpu("c", "GPU-2")]
    assert "".join(gpu.name for gpu in visible(gpus, setting)) == expected


def test_a_part_of_a_gpu_is_a_device() -> None:
    """Where MIG slices are given, each is one."""
    assert len(visible([Gpu("a", "GPU-1")], "MIG-4f")) == 1


@pytest.mark.parametrize(
    ("requested", "kinds", "devices", "expected"),
    [
        ("auto", [BOTH], [CPU, GPU0], "cuda:0"),
        ("auto", [("cpu",), BOTH], [CPU, GPU0], "cuda:0"),
        ("auto", [("cpu",)], [CPU, GPU0], "cpu"),
        ("auto", [BOTH], [CPU, LOST, GPU1], "cuda:1"),
        ("auto", [BOTH], [CPU, LOST], "cpu"),
        ("cpu", [BOTH], [CPU, GPU0], "cpu"),
        ("gpu", [BOTH], [CPU, GPU0, GPU1], "cuda:0"),
        ("gpu", [BOTH], [CPU, LOST, GPU1], "cuda:1"),
        ("cuda:1", [BOTH], [CPU, GPU0, GPU1], "cuda:1"),
    ],
)
def test_what_can_be_had_is_had(
    requested: str, kinds: list[tuple[str, ...]], devices: list[Device], expected: str
) -> None:
    """A device that is available, and that a plugin of the job can use, does not count as a fallback."""
    assert resolve(requested, kinds, devices) == Resolution(expected)


@pytest.mark.parametrize(
    ("requested", "kinds", "devices", "reason"),
    [
        ("gpu", [BOTH], [CPU], "this machine has no gpu, only cpu"),
        ("gpu", [BOTH], [CPU, LOST], "cuda:0 is not available: GPU is lost"),
        ("cuda:0", [BOTH], [CPU, LOST, GPU1], "cuda:0 is not available: GPU is lost"),
        ("cuda:7", [BOTH], [CPU, GPU0], "this machine has no cuda:7, only cpu, cuda:0"),
        ("gpu", [("cpu",)], [CPU, GPU0], "none of the job's plugins runs on cuda"),
    ],
)
def test_what_cannot_be_had_is_the_cpu(
    requested: str, kinds: list[tuple[str, ...]], devices: list[Device], reason: str
) -> None:
    """A fallback says why."""
    assert resolve(requested, kinds, devices) == Resolution("cpu", fallback=True, reason=reason)


KIND_LISTS = st.lists(st.lists(st.sampled_from(["cpu", "cuda"])))


@given(kinds=KIND_LISTS, gpus=st.lists(st.booleans(), max_size=3), requested=st.sampled_from(["auto", "gpu", "cuda:1"]))
def test_a_job_always_gets_a_device_that_is_available(kinds: list[list[str]], gpus: list[bool], requested: str) -> None:
    """Auto is never a fallback, a fallback is always to the CPU and has a reason."""
    devices = [CPU, *(Device(f"cuda:{n}", "cuda", "", available, "gone") for n, available in enumerate(gpus))]
    resolution = resolve(requested, kinds, devices)
    assert resolution.device_used in {device.id for device in devices if device.available}
    assert resolution.fallback == (resolution.reason is not None)
    assert not resolution.fallback or (requested != "auto" and resolution.device_used == "cpu")


def test_gpus_that_a_library_has_found() -> None:
    """They count only if NVML shows no GPU."""
    missing = Device("cuda:0", "cuda", "NVIDIA GPU", available=False, reason="no driver")
    assert with_gpus([CPU, missing], ["Card 0", "Card 1"]) == (
        CPU,
        Device("cuda:0", "cuda", "Card 0"),
        Device("cuda:1", "cuda", "Card 1"),
    )
    assert with_gpus([CPU, missing], []) == (CPU, missing)
    assert with_gpus([CPU, GPU0], ["Card 0"]) == (CPU, GPU0)
