"""Opens ONNX models for plugins, on the right device and with no more threads than a plugin may use.

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
    """Check that the modules of an extra are installed; a plugin's module calls this on import.

    Raises:
        ImportError: a module is not installed; the text says what to install.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise ImportError(f"{' and '.join(missing)} {are} not installed: pip install 'kinora[{extra}]'")


def open_session(model: Path, device: str) -> Any:
    """Open a model on a device (``cpu``, ``cuda:N``) and return its ``onnxruntime.InferenceSession``.

    Operators that a GPU cannot run are run by the CPU.

    Raises:
        DeviceError: onnxruntime would run it on the CPU though another device was asked for.
        Exception: onnxruntime cannot load the model.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # set in workers; a plugin may run without one
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))  # the worker's share of the cores
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted, providers = _providers(device)
    if wanted not in ort.get_available_providers():
        raise DeviceError(f"this onnxruntime is built without {wanted}: install onnxruntime-gpu instead")
    session = ort.InferenceSession(str(model), options, providers=providers)
    used = session.get_providers()[0]
    if used != wanted:  # onnxruntime only logs why
        raise DeviceError(f"onnxruntime uses {used} instead of {device}: its log says what it could not load")
    return session


def _providers(device: str) -> tuple[str, list[Any]]:
    """The provider of a device, and the list to ask onnxruntime for, which ends with the CPU."""
    if device == "cpu":
        return _CPU_PROVIDER, [_CPU_PROVIDER]
    number = int(device.partition(":")[2])
    return _CUDA_PROVIDER, [(_CUDA_PROVIDER, {"device_id": number}), _CPU_PROVIDER]
