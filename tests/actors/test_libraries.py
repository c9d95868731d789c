"""The devices that the libraries of plugins can use, examined in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
import trio

from kinora.plugins.devices import Device
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import nothing_left_behind

TORCH = """
from types import SimpleNamespace
__version__ = "2.9.0"
cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda n: f"Card {n}")
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of further modules, which the server's processes find first; no GPU is to be seen."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[2]}")
    monkeypatch.syspath_prepend(str(folder))
    return folder


async def test_the_one_that_is_installed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real onnxruntime is examined, without the server importing it and with nothing left of the worker."""
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)  # an earlier test may have imported it
    with nothing_left_behind(system):
        library = (await system.libraries.get())[0]
    assert (library.name, library.kinds[0]) == ("onnxruntime", "cpu")
    assert library.version
    assert "cuda" in library.kinds or library.reason
    assert "onnxruntime" not in sys.modules


async def test_one_that_is_not_usable(settings: Settings, installed: Path) -> None:
    """A library that raises on import is listed with its error."""
    (installed / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file')")
    async with open_system(settings) as system:
        torch = (await system.libraries.get())[1]
    assert torch.reason == "importing torch failed: libcudart.so.12: cannot open shared object file"
    assert (torch.version, torch.kinds) == (None, ())


async def test_one_that_kills_its_process(settings: Settings, installed: Path) -> None:
    """A library that crashes on import is listed with the reason, and the others are listed too."""
    (installed / "torch.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    async with open_system(settings) as system:
        onnxruntime, torch = await system.libraries.get()
    assert torch.reason == "importing torch failed: its process was killed by SIGSEGV"
    assert onnxruntime.version


async def test_gpus_that_only_torch_sees(settings: Settings, installed: Path) -> None:
    """If NVML shows none, the GPUs that torch finds are the machine's devices, a moment after the start."""
    (installed / "torch.py").write_text(TORCH)
    async with open_system(settings) as system:
        assert msgspec.structs.asdict((await system.libraries.get())[1]) == {
            "name": "torch",
            "version": "2.9.0",
            "kinds": ("cpu", "cuda"),
            "reason": None,
            "gpus": ("Card 0", "Card 1"),
        }
        await trio.testing.wait_all_tasks_blocked()
        assert system.devices()[1:] == (Device("cuda:0", "cuda", "Card 0"), Device("cuda:1", "cuda", "Card 1"))
