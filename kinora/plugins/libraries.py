"""Finds the devices that the libraries of plugins can use here. ``main`` runs in a worker: the server imports none.

The driver lists the GPUs; whether a library can use them is known only after it has tried.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, Program, serve

_IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""The smallest loadable ONNX model: y = x."""


class Library(msgspec.Struct, tag_field="op", tag="library", frozen=True, kw_only=True):
    """The state of one library on this machine."""

    name: str
    version: str | None = None
    """The version; None if it is not installed or cannot be imported."""
    kinds: tuple[str, ...] = ()
    """The kinds of device that it can use."""
    reason: str | None = None
    """The reason why it cannot use a GPU, or cannot be used at all."""
    gpus: tuple[str, ...] = ()
    """The names of the GPUs that the library finds itself, in its order."""


class Examine(msgspec.Struct, tag_field="op", tag="examine", frozen=True):
    """Import one of ``EXAMINERS`` and examine it; answered with Library."""

    name: str


EXAMINER: Program[Examine, Library] = Program(
    "kinora.plugins.libraries:main",
    msgspec.msgpack.Decoder(Examine).decode,
    msgspec.msgpack.Decoder(Library).decode,
)


def main(channel: Channel) -> None:
    """Examine the libraries that the server asks for."""
    serve(Line(EXAMINER, channel), lambda request, _fds: [examine(request.name)])


def examine(name: str) -> Library:
    """Import one of ``EXAMINERS`` and examine it. An exception becomes the reason."""
    if importlib.util.find_spec(name) is None:
        return Library(name=name, reason=f"{name} is not installed")
    try:
        return EXAMINERS[name]()
    except Exception as error:  # noqa: BLE001 - a broken installation may raise anything
        return Library(name=name, reason=f"importing {name} failed: {error}")


def _onnxruntime() -> Library:
    ort: Any = importlib.import_module("onnxruntime")
    kinds: tuple[str, ...] = ("cpu",)
    reason = None
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        reason = "this build of onnxruntime is for the CPU: install onnxruntime-gpu in its place"
    elif ort.InferenceSession(_IDENTITY, providers=["CUDAExecutionProvider"]).get_providers()[0].startswith("CUDA"):
        kinds = ("cpu", "cuda")
    else:
        reason = "onnxruntime-gpu cannot load its CUDA part: install the CUDA and cuDNN that it needs"
    return Library(name="onnxruntime", version=ort.__version__, kinds=kinds, reason=reason)


def _torch() -> Library:
    torch: Any = importlib.import_module("torch")
    if torch.cuda.is_available():
        gpus = tuple(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
        return Library(name="torch", version=torch.__version__, kinds=("cpu", "cuda"), gpus=gpus)
    built = torch.version.cuda is not None
    reason = "torch finds no GPU that it can use" if built else "this build of torch is for the CPU"
    return Library(name="torch", version=torch.__version__, kinds=("cpu",), reason=reason)


EXAMINERS: Mapping[str, Callable[[], Library]] = {"onnxruntime": _onnxruntime, "torch": _torch}
