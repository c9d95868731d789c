"""``kinora export``: what a job of a server has found, as a file for another program."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from kinora.actors.models import ENDED
from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import whole_id
from kinora.cli.download import STDOUT, fetch_to
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_line
from kinora.client import KinoraClient
from kinora.results.endings import ENDINGS, OF_DETECTIONS


@click.command
@options.job_id
@click.option("--format", "form", type=click.Choice(list(ENDINGS)), required=True, help="What the file is for.")
@click.option(
    "--plugins",
    metavar="NAME,…",
    default="",
    help="The plugins whose detections coco, yolo, mot and cvat have; without it all, or from the last tracker on.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The file; - is stdout. Named after the job without it.")
@of_client
@options.as_json
def export(job_id: str, *, form: str, plugins: str, out: Path | None, client: KinoraClient, as_json: bool) -> None:
    """Export what a job of a server has found, for another program: so far, if it still runs.

    coco, cvat: one file; yolo, mot: a zip archive; parquet, csv: tables; json, ndjson: everything.
    """
    if as_json and out == STDOUT:
        raise Misuse("--json and --out - both write to stdout: give --out a file")
    names = [name.strip() for name in plugins.split(",") if name.strip()]
    answer = run_interruptible(partial(_export, client, job_id, form, names, out))
    if as_json:
        print_json(answer)


async def _export(client: KinoraClient, given: str, form: str, plugins: list[str], out: Path | None) -> dict[str, Any]:
    job_id = await whole_id(client, given)
    state = await client.extended(job_id, limit=0)
    if state["status"] not in ENDED:
        print_line(f"{job_id} is {state['status']}: this is what there is so far", file="stderr")
    path = out or Path(f"{job_id[:8]}.{ENDINGS[form]}")
    exported: list[str] = []

    async def fetch(write: Any) -> None:
        exported[:] = (await client.download_export(job_id, form, plugins, write)).split(", ")

    file = await fetch_to(fetch, path)
    if form in OF_DETECTIONS:
        print_line(f"It has the detections of {', '.join(exported)}; --plugins chooses others", file="stderr")
    return {"job_id": job_id, "status": state["status"], "files": [file]}
