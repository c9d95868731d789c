"""The command line of a run of chaos, and what stands around it."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import structlog
import trio

from kinora.runtime.linux.processes import become_subreaper

HERE = Path(__file__).resolve().parents[2]
Play = Callable[[int, float, Path, Path], Awaitable[bool]]
"""Takes a seed, minutes, a checkout to serve from and a folder; False if something was wrong."""


def chaos_arguments(description: str | None) -> argparse.ArgumentParser:
    """What each run of chaos takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=10.0, help="the time for which faults strike")
    parser.add_argument("--seed", type=int, help="the seed that the faults are drawn from; any if none is given")
    parser.add_argument("--tree", type=Path, default=HERE, help="the checkout to serve from")
    parser.add_argument("--keep", type=Path, help="keep the logs of all lives in this folder")
    return parser


def run_chaos(arguments: argparse.Namespace, name: str, play: Play) -> NoReturn:
    """Play in a folder whose name has ``name`` in it, and exit: with 1 if something was wrong."""
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, seed {seed}, {arguments.minutes:g} min", flush=True)
    become_subreaper()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # connections are lost
    with tempfile.TemporaryDirectory(prefix=f"kinora-{name}-", ignore_cleanup_errors=True) as folder:
        kept = trio.run(play, seed, arguments.minutes, arguments.tree.resolve(), Path(folder))
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            for log in Path(folder).glob("server-*.log"):
                shutil.copy(log, arguments.keep)
    sys.exit(0 if kept else 1)
