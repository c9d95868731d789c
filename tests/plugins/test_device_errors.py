"""Errors that are blamed on a device, and errors that are not."""

from __future__ import annotations

import cv2
import pytest

from kinora.plugins import DeviceError
from kinora.plugins.device_errors import is_device_error


class OutOfMemoryError(RuntimeError):
    """As PyTorch has it."""


OutOfMemoryError.__module__ = "torch.cuda"


class Unreadable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [
        DeviceError("the accelerator is on fire"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("Found no NVIDIA driver on your system."),
        OutOfMemoryError("Tried to allocate 20.00 MiB"),
        RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; expr=cudaMalloc((void**)&p, size);"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError(
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9"
        ),
        cv2.error("OpenCV(4.14.0) error: (-217:Gpu API call) out of memory in function 'allocate'"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1073741824 bytes."),
    ],
)
def test_errors_of_a_device(error: Exception) -> None:
    """The usual libraries' errors for a GPU that is full or gone are recognised."""
    assert is_device_error(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("not this one"),
        MemoryError(),
        RuntimeError("Unable to allocate 8.00 GiB for an array"),
        KeyError("device"),
        Unreadable(),
        SystemExit(1),
    ],
)
def test_errors_of_a_plugin(error: BaseException) -> None:
    """A plugin's own errors are not, and neither is a lack of ordinary memory."""
    assert not is_device_error(error)


def test_an_error_raised_from_a_device_error() -> None:
    """Libraries wrap errors that they catch: the cause counts, unless it was ruled out with ``from None``."""
    wrapped = RuntimeError("inference failed")
    wrapped.__cause__ = RuntimeError("CUDA out of memory.")
    assert is_device_error(wrapped)

    while_handling = RuntimeError("inference failed")
    while_handling.__context__ = RuntimeError("CUDA out of memory.")
    assert is_device_error(while_handling)
    while_handling.__suppress_context__ = True
    assert not is_device_error(while_handling)


def test_errors_that_go_round_in_a_circle() -> None:
    """A chain without an end is followed for a while only."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert not is_device_error(first)
