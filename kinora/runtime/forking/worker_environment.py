"""The environment of workers: what their libraries need, and none of the server's secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kinora.runtime.linux.machine import THREAD_VARIABLES

PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "PYTHON*",
    "LD_LIBRARY_PATH",
    "CUDA_*",
    "NVIDIA_*",
    "OMP_*",
    "OPENBLAS_*",
    "MKL_*",
    "SSL_CERT_*",
    "XDG_CACHE_HOME",
)
"""The variables of the server that every worker gets; a ``*`` at the end stands for any rest of the name."""


SET = {
    # It must stay single-threaded.
    **dict.fromkeys(THREAD_VARIABLES, "1"),
    # CUDA numbers the cards as NVML does, so that a device means the same card in the server and in a worker.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    # onnxruntime 1.29 and later otherwise tell Microsoft about each model, and keep a database for that in ~/.cache.
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Set for every worker, whatever the server has."""


def passed_on(environment: Mapping[str, str], further: Sequence[str] = ()) -> dict[str, str]:
    """The part of the server's environment that workers get; ``further`` has names beside those in ``PASSED_ON``."""
    return {name: value for name, value in environment.items() if _is_named(name, (*PASSED_ON, *further))}


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or (pattern[-1:] == "*" and name.startswith(pattern[:-1])) for pattern in patterns)
