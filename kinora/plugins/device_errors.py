"""Which errors mean that a device has failed, and not the plugin that ran on it."""

from __future__ import annotations

import re

from kinora.plugins.api import DeviceError

_CHAIN = 10
"""How far an error is followed back to those that it was raised from."""
_CHARACTERS = 10_000
"""How much of an error's text is looked at."""
_WORDS = re.compile(
    r"cuda|cudnn|cublas|nvidia|\bgpu\b"  # PyTorch, CuPy, ONNX Runtime, OpenCV and the driver name what they blame
    r"|failed to allocate memory for requested buffer"  # ONNX Runtime's arena
    r"|resource_exhausted",  # TensorFlow, JAX
    re.IGNORECASE,
)


def tells_of_device(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, tells of a device.

    The rule is that it is a :class:`~kinora.plugins.DeviceError`, or that the name of its class, the module of that, or
    its text has one of the words above. It is broad on purpose, for it is asked only when a plugin has failed on
    a device other than the CPU: taking a plugin's own error for the device's costs speed, the contrary costs results.
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
