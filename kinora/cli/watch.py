"""``kinora watch``: shows a server's live messages, through lost connections and restarts."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import click
import msgspec
import trio

from kinora.actors.models import ENDED
from kinora.cli.client.client_flags import of_client
from kinora.cli.client.progress import after
from kinora.cli.client.short_ids import SHORT_ID, whole_id
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.events import event_in_words
from kinora.cli.terminal.live import Moment
from kinora.cli.terminal.output import counted, print_json, print_line
from kinora.cli.terminal.report import Tally
from kinora.client import ClientError, KinoraClient, Message, connect
from kinora.log import configure_logging

if TYPE_CHECKING:
    from kinora.cli.terminal.bars import Bars

LINES = frozenset({"event", "warning", "error", "complete", "gap"})
"""The messages that are shown as lines beside bars."""
Show = Callable[[Message], Awaitable[None]]


@click.command
@click.argument("job_id", required=False)
@click.option("--last-event-id", help="Start after the message with this id.")
@of_client
@options.as_json
@click.pass_context
def watch(
    ctx: click.Context, job_id: str | None, last_event_id: str | None, client: KinoraClient, as_json: bool
) -> None:
    """Show a server's jobs live.

    With JOB_ID only that job, until it ends: exit code 0 if it is done, 1 otherwise. On a terminal each job that runs
    has a bar, and warnings stay as lines; otherwise each message is a line. A lost connection is opened again and goes
    on where it was. --json prints each message as it comes, one per line.
    """
    configure_logging("warning")
    if job_id is not None:
        job_id = run_interruptible(partial(whole_id, client, job_id))
    ctx.exit(run_interruptible(partial(follow, client, job_id, last_event_id, as_json=as_json)))


async def follow(client: KinoraClient, job_id: str | None, last_event_id: str | None, *, as_json: bool = False) -> int:
    """Show messages until the job has ended, and return the exit code; without ``job_id``, show them for ever.

    Raises:
        ClientError: the server cannot be reached or refuses, or the job does not exist (any more).
    """
    await client.plugins()  # a refusal says here what a command can do about it; a WebSocket's cannot
    with _display(client, as_json=as_json) as show:
        known = partial(connect, client.url, token=client.token, ca_file=client.ca_file)
        async with known(job_ids=[job_id] if job_id else [], last_event_id=last_event_id) as realtime:
            status = None
            async for message in realtime:
                if message.type != "pong":
                    await show(message)
                    if message.type == "complete" and job_id is not None:
                        return _exit_code(message.payload["status"])
                elif status in ENDED:  # it had ended before this pong: its ``complete`` is lost, or it would have come
                    print_line(f"{job_id} has ended: {status}", file="stderr")
                    return _exit_code(status)
                elif job_id is not None and (status := await _status(client, job_id)) in ENDED:
                    await realtime.ping()
    return 0


async def _status(client: KinoraClient, job_id: str) -> str | None:
    """The job's status; None if the server went away before it could answer."""
    try:
        state = await client.extended(job_id, limit=0)
    except ClientError as error:
        if error.status is None:
            return None
        raise
    return str(state["status"])


@contextmanager
def _display(client: KinoraClient, *, as_json: bool) -> Iterator[Show]:
    """A bar a job on a terminal, else a line a message."""
    if as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield partial(_print, as_json=as_json)
    else:
        from kinora.cli.terminal.bars import Bars as Drawn  # noqa: PLC0415 - what draws is needed on a terminal only

        with Drawn.open() as bars:
            yield JobBars(client, bars).show


async def _print(message: Message, *, as_json: bool) -> None:
    await trio.lowlevel.checkpoint()
    if as_json:
        print_json(attrs.asdict(message), indent=0)
    elif (line := described(message)) is not None:
        print_line(line)


class JobBars:
    """Keeps the bars of all jobs that run. What must not be missed, and each job's end, stay above them as lines."""

    def __init__(self, client: KinoraClient, bars: Bars) -> None:
        self._client = client
        self._bars = bars
        self._jobs: dict[str, tuple[str, Moment, Tally]] = {}
        """Job → its name, its progress and the count of what was found."""

    async def show(self, message: Message) -> None:
        """Take a message in."""
        await trio.lowlevel.checkpoint()
        job_id = message.payload.get("job_id")
        if message.type in LINES and (line := described(message)) is not None:
            self._bars.say(line)
        if job_id is None:
            return
        if message.type == "complete" or message.payload.get("stage") == "deleted":
            self._jobs.pop(job_id, None)
            self._bars.remove(job_id)
            return
        if job_id not in self._jobs:
            self._jobs[job_id] = (await self._name(job_id), Moment(stage="queued", done=0, total=None), Tally())
        name, moment, tally = self._jobs[job_id]
        moment = after(message, moment, tally)
        self._jobs[job_id] = (name, moment, tally)
        self._bars.show(job_id, name, moment)

    async def _name(self, job_id: str) -> str:
        """The job's short id and its source; the id alone if it has gone."""
        try:
            state = await self._client.extended(job_id, limit=0)
        except ClientError:
            return job_id[:SHORT_ID]
        return f"{job_id[:SHORT_ID]} {state['source']}"


def _exit_code(status: object) -> int:
    return 0 if status == "done" else 1


def described(message: Message) -> str | None:
    """A message as one line for people; None if it is not worth showing."""
    words = WORDS.get(message.type)
    payload = message.payload
    if words is None or (message.type == "plugin_status" and payload["status"] == "running"):
        return None
    job = payload.get("job_id") or "server"
    return f"{_local_clock(message.timestamp)}  {job:<{SHORT_ID}.{SHORT_ID}}  {message.type:<14}  {words(payload)}"


def _local_clock(timestamp: str) -> str:
    """The time of day where the user is, with milliseconds."""
    return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _progress(payload: dict[str, Any]) -> str:
    per_cent = "" if payload["progress"] is None else f"{payload['progress']} % "
    done = payload.get("frames_done")
    return f"{per_cent}{payload['stage']}" + (f", {counted(done, 'frame')}" if done else "")


def _frame(payload: dict[str, Any]) -> str:
    found = len(payload["data"].get("detections", ())) if isinstance(payload["data"], dict) else 0
    return f"{payload['plugin']} {payload['index']}: {counted(found, 'detection')}, {payload['timing_ms']} ms"


def _warning(payload: dict[str, Any]) -> str:
    return f"{payload['plugin'] or 'job'}: {payload['message']} ({payload['code']}, {payload['severity']})"


WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "progress": _progress,
    "frame": _frame,
    "plugin_status": lambda p: f"{p['plugin']} {p['status']}, {counted(p['frames_processed'], 'frame')}, {p['health']}",
    "partial_result": lambda p: f"{p['plugin']} {msgspec.json.encode(p['result']).decode()}",
    "warning": _warning,
    "event": event_in_words,
    "error": lambda p: str(p["error"]),
    "complete": lambda p: f"{p['status']}, {counted(p['frames'], 'frame')} in {p['duration_ms'] / 1000:.1f} s",
    "gap": lambda p: f"messages from {p['from']} to {p['to']} are lost ({p['reason']})",
}
"""Type of message → its text, from its payload."""
