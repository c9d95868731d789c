"""Opens models in ONNX for the plugins that run some: on the right device, with no more threads than they may use.

onnxruntime comes with an extra and takes long to import, so it is imported when the first model is opened.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from kinora.plugins.api import DeviceError

_CPU_PROVIDER = "CPUExecutionProvider"
_CUDA_PROVIDER = "CUDAExecutionProvider"
_ERRORS_ONLY = 3


def require_extra(extra: str, *modules: str) -> None:
    """For a plugin's module to call on import.

    Raises:
        ImportError: a module is not installed; the text says what to install.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(f"{' and '.join(missing)} is not installed: pip install 'kinora[{extra}]'")


def open_session(model: Path, device: str) -> Any:
    """An ``onnxruntime.InferenceSession`` that runs a model on a device (``cpu``, ``cuda:N``), where it can.

    Raises:
        DeviceError: onnxruntime would run it on the CPU though another device was asked for.
        Exception: onnxruntime cannot load the model.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as in workers; here for those who run a plugin without one
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))  # the worker's share of the cores
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted, providers = _providers(device)
    if wanted not in ort.get_available_providers():
        raise DeviceError(f"this onnxruntime is built without {wanted}: install onnxruntime-gpu in its place")
    session = ort.InferenceSession(str(model), options, providers=providers)
    used = session.get_providers()[0]
    if used != wanted:  # it only logs why
        raise DeviceError(f"onnxruntime took {used} for {device}: see in the log what it could not load")
    return session


def _providers(device: str) -> tuple[str, list[Any]]:
    """The provider of a device, and the list to ask onnxruntime for: what a GPU cannot do, the CPU does."""
    if device == "cpu":
        return _CPU_PROVIDER, [_CPU_PROVIDER]
    number = int(device.partition(":")[2])
    return _CUDA_PROVIDER, [(_CUDA_PROVIDER, {"device_id": number}), _CPU_PROVIDER]
