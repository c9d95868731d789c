"""Has a worker's process become another Python, with packages of its own, before it runs its target.

The process keeps its id, its session, its limits, its parent-death signal and its descriptors, so all that ends or
bounds a worker holds for it as well. This file is also the script that the other Python runs: until it knows that it
can, it needs nothing but the standard library. Of this installation it finds the package ``kinora`` alone.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import NoReturn

LEAST = (3, 11)
"""The oldest Python that can run a worker."""
NEEDED = ("attrs", "msgspec", "numpy")
"""The packages that a worker imports, beside the standard library and Kinora itself."""
UNUSABLE = os.EX_CONFIG
"""The exit code if a worker cannot run under that interpreter; the last line of its output says why."""


def become(interpreter: str, channel: int, target: str, name: str) -> NoReturn:
    """Replace this process's program by that interpreter, which runs the target of the worker of this name.

    ``channel`` is the descriptor of its channel. If there is no such program, say so and end with ``UNUSABLE``.
    """
    script = Path(__file__).absolute()
    os.set_inheritable(channel, True)
    try:
        os.execv(  # noqa: S606 - the interpreter that the plugin's folder names
            interpreter, [interpreter, "-I", str(script), str(script.parents[2]), str(channel), target, name]
        )
    except OSError as error:
        _end(f"its interpreter {interpreter} cannot be started: {error.strerror}")


def _main(package: str, channel: str, target: str, name: str) -> None:
    os.set_inheritable(int(channel), False)
    if sys.version_info < LEAST:
        _end(f"its interpreter {sys.executable} is Python {sys.version.split()[0]}; at least 3.11 is needed")
    lacking = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if lacking:
        _end(f"its interpreter {sys.executable} lacks {', '.join(lacking)}: install what is missing there")
    _find_package(Path(package))
    from kinora.runtime.forking.worker_start import run_target  # noqa: PLC0415
    from kinora.runtime.linux.process_names import name_worker  # noqa: PLC0415 - only now it can be found

    name_worker(name)
    run_target(target)


def _find_package(folder: Path) -> None:
    """Import ``kinora`` from its folder, whose neighbours stay unknown."""
    spec = importlib.util.spec_from_file_location(
        "kinora", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        _end(f"there is no package kinora in {folder}")
    module = sys.modules["kinora"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _end(reason: str) -> NoReturn:
    os.write(2, f"{reason}\n".encode("utf-8", "replace"))
    os._exit(UNUSABLE)


if __name__ == "__main__":
    _main(*sys.argv[1:])
