"""``kinora watch``: shows a server's live messages, through lost connections and restarts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import click
import msgspec

from kinora.actors.models import ENDED
from kinora.cli import options
from kinora.cli.output import print_json, print_line
from kinora.cli.running import run_interruptible
from kinora.cli.short_ids import whole_id
from kinora.client import ClientError, KinoraClient, Message, connect
from kinora.log import configure_logging


@click.command
@click.argument("job_id", required=False)
@click.option("--last-event-id", help="Start after the message with this id.")
@options.url
@options.as_json
@click.pass_context
def watch(ctx: click.Context, job_id: str | None, last_event_id: str | None, url: str, as_json: bool) -> None:
    """Show a server's jobs live.

    With JOB_ID only that job, until it ends: exit code 0 if it is done, 1 otherwise. A lost connection is opened
    again and goes on where it was. --json prints each message as it comes, one per line.
    """
    configure_logging("warning")
    if job_id is not None:
        job_id = run_interruptible(partial(whole_id, KinoraClient(url), job_id))
    ctx.exit(run_interruptible(partial(follow, url, job_id, last_event_id, as_json=as_json)))


async def follow(url: str, job_id: str | None, last_event_id: str | None, *, as_json: bool = False) -> int:
    """Print messages until the job has ended, and return the exit code; without ``job_id``, print them for ever.

    Raises:
        ClientError: the server cannot be reached or refuses, or the job does not exist (any more).
    """
    async with connect(url, job_ids=[job_id] if job_id else [], last_event_id=last_event_id) as realtime:
        status = None
        async for message in realtime:
            if message.type != "pong":
                _show(message, as_json=as_json)
                if message.type == "complete" and job_id is not None:
                    return _exit_code(message.payload["status"])
            elif status in ENDED:  # it had ended before this pong: its ``complete`` is lost, or it would have come
                print_line(f"{job_id} has ended: {status}", file="stderr")
                return _exit_code(status)
            elif job_id is not None and (status := await _status(url, job_id)) in ENDED:
                await realtime.ping()
    return 0


async def _status(url: str, job_id: str) -> str | None:
    """The job's status; None if the server went away before it could answer."""
    try:
        state = await KinoraClient(url).extended(job_id, limit=0)
    except ClientError as error:
        if error.status is None:
            return None
        raise
    return str(state["status"])


def _show(message: Message, *, as_json: bool) -> None:
    if as_json:
        print_json(attrs.asdict(message), indent=0)
    elif (line := described(message)) is not None:
        print_line(line)


def _exit_code(status: object) -> int:
    return 0 if status == "done" else 1


def described(message: Message) -> str | None:
    """A message as one line for people; None if it is not worth showing."""
    words = WORDS.get(message.type)
    payload = message.payload
    if words is None or (message.type == "plugin_status" and payload["status"] == "running"):
        return None
    job = payload.get("job_id") or "server"
    return f"{message.timestamp[11:23]}  {job:<12.12}  {message.type:<14}  {words(payload)}"


def _progress(payload: dict[str, Any]) -> str:
    per_cent = "" if payload["progress"] is None else f"{payload['progress']} % "
    return f"{per_cent}{payload['stage']}"


def _frame(payload: dict[str, Any]) -> str:
    found = len(payload["data"].get("detections", ())) if isinstance(payload["data"], dict) else 0
    return f"{payload['plugin']} {payload['index']}: {found} detections, {payload['timing_ms']} ms"


def _warning(payload: dict[str, Any]) -> str:
    return f"{payload['plugin'] or 'job'}: {payload['message']} ({payload['code']}, {payload['severity']})"


WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "progress": _progress,
    "frame": _frame,
    "plugin_status": lambda p: f"{p['plugin']} {p['status']}, {p['frames_processed']} frames, {p['health']}",
    "partial_result": lambda p: f"{p['plugin']} {msgspec.json.encode(p['result']).decode()}",
    "warning": _warning,
    "error": lambda p: str(p["error"]),
    "complete": lambda p: f"{p['status']}, {p['frames']} frames in {p['duration_ms'] / 1000:.1f} s",
    "gap": lambda p: f"messages from {p['from']} to {p['to']} are lost ({p['reason']})",
}
"""Type of message → its text, from its payload."""
