"""Schemathesis against a real server: does the server keep to its OpenAPI document?

``python -m tests.fuzz_api [EXAMPLES]`` makes a long run, by default of 200 examples for each call and phase.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import trio

from kinora.serve import open_server
from kinora.settings import Settings
from tests.clips import make_clip
from tests.schemathesis_source import SOURCE

CONFIG = """
# A stream of events does not end: its first ones are enough.
max-stream-events = 2
# A safety net, as for a machine that is busy with other things.
request-timeout = 120
continue-on-failure = true
hooks = "{hooks}"

[generation]
max-examples = {examples}
deterministic = true

[phases.stateful.generation]
max-examples = {chains}

# What the document cannot say: a job has a video once it has a frame.
[[operations]]
include-operation-id = "get_annotated_video"
[operations.checks.ensure_resource_availability]
enabled = false
[operations.checks.positive_data_acceptance]
expected-statuses = {with_416}

# Nor how long a file is: a range may begin behind its end.
[[operations]]
include-operation-id = "get_frame_picture"
[operations.checks.positive_data_acceptance]
expected-statuses = {with_416}

# Each call starts a process for each plugin, and no chain needs it.
[[operations]]
include-operation-id = "reload_plugins"
[operations.phases.stateful]
enabled = false
"""
WITH_416 = '["2xx", "3xx", "401", "403", "404", "409", "416", "429", "5xx"]'
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SHORT, LONG = 1, 200
"""Examples for each call and phase: in the suite, and at leisure."""
FRAMES = 5
AT_ONCE, QUEUED = 1, 100_000
"""The jobs that may run and wait: all that are submitted are accepted, although they are not run as fast."""


async def fuzz(url: str, folder: Path, *, examples: int, document: str = "") -> tuple[int, str]:
    """Run all checks and phases on the server at ``url``, by ``document``, a file, if it is not the server's own.

    Returns:
        Schemathesis' exit status, 0 if it found nothing, and its report.
    """
    config = folder / "schemathesis.toml"
    filled = CONFIG.format(hooks=HOOKS, examples=examples, chains=4 * examples, with_416=WITH_416)
    config.write_text(filled, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", document or f"{url}/openapi.json", "--url", url, "--no-color", "--warnings", "off"]
    env = {**os.environ, "PYTHONPATH": str(HOOKS.parents[1])}
    run = partial(trio.run_process, command, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
    ended = await run(cwd=folder, env=env)
    return ended.returncode, ended.stdout.decode()


async def _main(examples: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / SOURCE, frames=FRAMES)
        settings = Settings(
            port=0,
            data_dir=folder / "data",
            media_dir=folder,
            max_jobs=AT_ONCE,
            max_queued=QUEUED,
            min_free_bytes=0,
        )
        async with open_server(settings) as server:
            status, report = await fuzz(server.url, folder, examples=examples)
    sys.stdout.write(report)
    return status


if __name__ == "__main__":
    sys.exit(trio.run(_main, int(sys.argv[1]) if len(sys.argv) > 1 else LONG))
