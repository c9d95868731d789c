"""Tells errors of a device from errors of the plugin that ran on it."""

from __future__ import annotations

import re

from kinora.plugins.api import DeviceError

_CHAIN = 10
"""The number of errors looked at along the chain of causes."""
_CHARACTERS = 10_000
"""The part of an error's text that is searched."""
_WORDS = re.compile(
    r"cuda|cudnn|cublas|nvidia|\bgpu\b"  # PyTorch, CuPy, ONNX Runtime, OpenCV and the driver name what they blame
    r"|failed to allocate memory for requested buffer"  # ONNX Runtime's arena
    r"|resource_exhausted",  # TensorFlow, JAX
    re.IGNORECASE,
)


def is_device_error(error: BaseException) -> bool:
    """True if an error, or one that it was raised from, blames a device.

    An error does if it is a :class:`~kinora.plugins.DeviceError`, or if one of the words above occurs in the name of
    its class, that class's module or its text. The match is broad on purpose. It is asked only when a plugin has failed
    on a device other than the CPU: wrongly blaming the device costs speed, wrongly blaming the plugin costs results.
    """
    found: BaseException | None = error
    for _ in range(_CHAIN):
        if found is None:
            return False
        if isinstance(found, DeviceError) or _WORDS.search(_description(found)):
            return True
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return False


def _description(error: BaseException) -> str:
    kind = type(error)
    try:
        return f"{kind.__module__}.{kind.__qualname__}: {error}"[:_CHARACTERS]
    except BaseException:  # noqa: ASYNC103, BLE001 - even str() of an exception is the plugin's code
        return f"{kind.__module__}.{kind.__qualname__}"  # noqa: ASYNC104 - no Trio here
