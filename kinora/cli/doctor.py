"""``kinora doctor``: says what a server would lack here, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from kinora.cli.flags import options
from kinora.cli.flags.server_flags import of_server
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.findings import print_findings
from kinora.cli.terminal.output import print_json
from kinora.doctor.examination import examine
from kinora.doctor.finding import Finding
from kinora.log import configure_logging
from kinora.runtime.files.temporary import temporary_folder
from kinora.settings import Settings


@click.command
@of_server
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, /, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Check all that a server needs here, with the same flags, and say what mends what is wrong.

    Exit codes: 0 a server can run, 1 something that it needs has failed. Warnings fail nothing.
    """
    warnings: list[str] = []
    settings = options.load(flags, config, warn=warnings.append)
    configure_logging("error")
    found = [
        *(Finding("settings", "warning", text, "correct its name, or take it away") for text in warnings),
        *run_interruptible(lambda: _examine(settings)),
    ]
    fails = [finding for finding in found if finding.state == "failed"]
    if as_json:
        print_json({"ok": not fails, "checks": [attrs.asdict(finding) for finding in found]})
    else:
        print_findings(found)
    ctx.exit(1 if fails else 0)


async def _examine(settings: Settings) -> Sequence[Finding]:
    with temporary_folder() as folder:
        return await examine(settings, folder)
