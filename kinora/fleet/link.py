"""The messages between an agent and its server, over the one WebSocket that the agent opens.

Each WebSocket message is one of these, as MessagePack. The agent says Hello first, and the server answers with Welcome
or Refused. An attempt is one run of a job's pipeline; its number grows with each, and what comes of an earlier one is
refused. All that an attempt tells has a sequence number from 1 on. The agent keeps what is not acknowledged, and tells
it again on the next connection; the server takes each number once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

PROTOCOL = 1
"""Both sides must have the same."""
LEASE_S = 5.0
"""The time for which an agent may work after it has asked for a renewal that was granted, by its CLOCK_BOOTTIME."""
RENEW_S = 1.0
"""The interval between two requests for a renewal."""
MARGIN_S = 0.5
"""The time after the lease in which the agent's fork server kills everything."""
WINDOW_FRAMES = 256
"""The most frames of an attempt that are not acknowledged; beyond it the attempt's pipeline waits."""
MAX_MESSAGE_BYTES = 20 * 2**20
"""A larger message ends the connection; a frame's results are 16 MiB at most."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as an agent has it."""

    version: str
    code: str
    """The hash of its code."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device of an agent's machine."""

    id: str
    kind: str
    name: str
    available: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent has."""

    name: str
    """The name that the operator has given it, else that of its machine."""
    host: str
    pid: int
    kinora: str
    """The version of Kinora; both sides must have the same."""
    versions: Mapping[str, str]
    """Python, numpy, OpenCV, PyAV and others → their versions."""
    cpus: float
    memory: int
    """In bytes."""
    devices: tuple[Device, ...] = ()
    resources: Mapping[str, float] = {}
    """Further things that jobs may ask for → how much of each there is."""
    places: int
    """The most jobs at once."""
    plugins: Mapping[str, Plugin]
    shares_files: bool = False
    """True if it is on the server's machine, and reads the server's files itself."""


class Attempt(msgspec.Struct, frozen=True):
    """One run of a job's pipeline."""

    job_id: str
    number: int


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that an agent works on."""

    attempt: Attempt
    told: int
    """The newest sequence number."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy an agent is."""

    busy_cpus: float
    """The cores in use by its processes, over the last second."""
    memory: int
    """In bytes, of all its processes."""
    workers: int


# From the agent


class Hello(msgspec.Struct, tag="hello", frozen=True, kw_only=True):
    """The first message."""

    protocol: int
    instance: str
    """Made anew by each process of an agent."""
    server: str | None
    """The server's run that the agent has worked for; None at first."""
    facts: Facts
    running: tuple[Running, ...] = ()


class Renew(msgspec.Struct, tag="renew", frozen=True, kw_only=True):
    """Ask for a renewal of the lease; sent each second."""

    asked_at: float
    """The agent's CLOCK_BOOTTIME in seconds; comes back in Renewed."""
    load: Load


class Told(msgspec.Struct, tag="told", frozen=True, kw_only=True):
    """Events of an attempt, in their order."""

    attempt: Attempt
    first: int
    """The sequence number of the first one."""
    events: tuple[tuple[str, bytes], ...]
    """The kind of each and its encoding; see ``kinora.fleet.events``. A large one comes in parts, see ``parts``."""


class Ask(msgspec.Struct, tag="ask", frozen=True, kw_only=True):
    """Ask for the stored part of a job, see EarlierFrames, or how its camera is opened. Answered with Answer."""

    id: int
    attempt: Attempt
    what: Literal["mark", "results", "count_before", "camera"]
    index: int = 0


class Reloaded(msgspec.Struct, tag="reloaded", frozen=True):
    """The agent has looked for its plugins again."""

    plugins: Mapping[str, Plugin]
    """Those that it has now."""


class Leaving(msgspec.Struct, tag="leaving", frozen=True):
    """The agent ends, and wants no further attempt. The others tell PipelineLost; then it closes the connection."""

    reason: str
    """A sentence."""


# From the server


class Welcome(msgspec.Struct, tag="welcome", frozen=True, kw_only=True):
    """The agent may work. What it runs and ``running`` lacks is to end at once, without a word."""

    server: str
    """Made anew by each run of the server."""
    agent: str
    """The agent's id, as clients see it."""
    running: tuple[Running, ...]
    """The attempts that go on; ``told`` is the newest sequence number that the server has taken."""


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The agent may not work; the connection ends."""

    reason: str
    """A sentence."""
    final: bool
    """True if another attempt would be refused as well: the agent ends."""


class Renewed(msgspec.Struct, tag="renewed", frozen=True):
    """The lease lasts until LEASE_S after this time."""

    asked_at: float


class Assign(msgspec.Struct, tag="assign", frozen=True):
    """Begin an attempt."""

    attempt: Attempt
    order: bytes
    """A WorkOrder as JSON."""


class Tell(msgspec.Struct, tag="tell", frozen=True, kw_only=True):
    """A command to an attempt; see ``pipeline_link``. After a new connection the newest of each kind comes again."""

    attempt: Attempt
    command: Literal["pause", "resume", "stop", "save_and_stop", "watch"]
    fps: float = 0.0
    """Of ``watch``."""


class Acknowledged(msgspec.Struct, tag="acknowledged", frozen=True, kw_only=True):
    """All events of an attempt up to this number are taken, and their frames are stored."""

    attempt: Attempt
    upto: int


class Answer(msgspec.Struct, tag="answer", frozen=True, kw_only=True):
    """The answer to Ask."""

    id: int
    value: bytes
    """JSON or MessagePack, as ``kinora.fleet.events`` says; empty for None."""

    def __repr__(self) -> str:
        """Without the value, which may have a camera's password."""
        return f"Answer(id={self.id})"


class Leave(msgspec.Struct, tag="leave", frozen=True):
    """The agent is to end: it has no attempt."""

    reason: str
    """A sentence."""


FromAgent = Hello | Renew | Told | Ask | Reloaded | Leaving
FromServer = Welcome | Refused | Renewed | Assign | Tell | Acknowledged | Answer | Leave

encode = msgspec.msgpack.encode
decode_from_agent = msgspec.msgpack.Decoder(FromAgent).decode
decode_from_server = msgspec.msgpack.Decoder(FromServer).decode
