"""The driver's work: it asks Ray for agents as the server tells it to, and tells the server what becomes of them.

One thread does as it is told and alone asks Ray for agents, which may block while the head of the cluster is away. One
reads the server's lines, one looks at the cluster each second; these and Ray's own only put into the first one's inbox.
The main thread waits for none of them: it ends the process if the cluster has not answered for long.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from kinora.fleet.ray.cluster import Agent, Look, NoCluster, connect, look
from kinora.fleet.ray.deaths import died, ended
from kinora.fleet.ray.room import no_room, wanted_amounts
from kinora.fleet.ray.talk import Begin, End, Ended, FromDriver, Lost, Pending, Placed, Up, decode_to_driver, line

LOOK_S = 1.0
"""The interval between two looks at the cluster."""
LOST_S = 10.0
"""The time after which a cluster whose head has not answered counts as lost."""
ROOM_S = 1.0
"""The time that Ray has to place an agent before the reason is told why it does not."""


@attrs.define(eq=False)
class Held:
    """An agent that was asked for."""

    begin: Begin
    agent: Agent
    waits_since: float
    placed: bool = False
    reason: str = ""
    """The reason that was told last why it is not placed; told anew after the end of another one."""


class Driving:
    """What was asked for. The inbox holds functions for it to call; the server bounds the agents, and so the inbox."""

    def __init__(self, out: BinaryIO) -> None:
        self.inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._out = out
        self._held: dict[str, Held] = {}
        self._looked_at = time.monotonic()

    def run(self, version: str, address: str) -> None:
        """Tell that the cluster is there, and do what comes in."""
        self._tell(Up(address, version))
        while True:
            self.inbox.get()()

    def guard(self) -> None:
        """Return when the cluster has not answered for LOST_S."""
        self._looked_at = time.monotonic()
        while (left_s := self._looked_at + LOST_S - time.monotonic()) > 0:
            time.sleep(left_s)

    def lost(self, reason: str) -> None:
        """Tell the server, and end at once: a polite end would wait for the head."""
        self._tell(Lost(reason))
        os._exit(1)

    def obey(self, message: Begin | End) -> None:
        """Do as the server says."""
        if isinstance(message, Begin):
            self._begin(message)
        elif (held := self._held.get(message.name)) is not None:
            held.agent.kill()
            self._forget(message.name, "It was not needed any more.")

    def seen(self, now: Look) -> None:
        """Take note of what the cluster has, and say of each agent that waits why it does."""
        self._looked_at = time.monotonic()
        for name, held in self._held.items():
            if not held.placed and self._looked_at - held.waits_since >= ROOM_S:
                begin = held.begin
                reason = no_room(wanted_amounts(begin.cpus, begin.gpus, begin.resources), now.nodes, now.free)
                if reason != held.reason:
                    held.reason = reason
                    self._tell(Pending(name, reason))

    def _begin(self, begin: Begin) -> None:
        name = begin.name

        def later(act: Callable[[str, Future[Any]], None]) -> Callable[[Future[Any]], None]:
            return lambda future: self.inbox.put(lambda: act(name, future))

        try:
            agent = Agent(begin, on_host=later(self._placed), on_end=later(self._ended))
        except Exception as error:  # noqa: BLE001 - Ray raises many kinds
            self._tell(Ended(name, died(str(error))))
            return
        self._held[name] = Held(begin, agent, time.monotonic())

    def _placed(self, name: str, host: Future[Any]) -> None:
        held = self._held.get(name)
        if held is not None and host.exception() is None:
            held.placed = True
            self._tell(Placed(name, host.result()))

    def _ended(self, name: str, end: Future[Any]) -> None:
        held = self._held.get(name)
        if held is not None:
            held.agent.kill()  # else the actor keeps its room
            error = end.exception()
            self._forget(name, ended(end.result()) if error is None else died(str(error)))

    def _forget(self, name: str, reason: str) -> None:
        del self._held[name]
        for held in self._held.values():
            held.reason, held.waits_since = "", time.monotonic()  # there may be room now
        self._tell(Ended(name, reason))

    def _tell(self, message: FromDriver) -> None:
        self._out.write(line(message))
        self._out.flush()


def _read(driving: Driving) -> None:
    for received in sys.stdin.buffer:
        message = decode_to_driver(received)
        driving.inbox.put(lambda message=message: driving.obey(message))  # type: ignore[misc]


def _watch(driving: Driving) -> None:
    while True:
        now = look()
        driving.inbox.put(lambda now=now: driving.seen(now))  # type: ignore[misc]
        time.sleep(LOOK_S)


def main(address: str, folder: str) -> None:
    """Connect, and drive; what others print goes to stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    driving = Driving(out)
    try:
        import ray  # noqa: PLC0415

        found = connect(address, Path(folder))
    except NoCluster as error:
        driving.lost(str(error))
        return
    for work in (partial(driving.run, ray.__version__, found), partial(_read, driving), partial(_watch, driving)):
        threading.Thread(target=work, daemon=True).start()
    driving.guard()
    driving.lost("The head of the Ray cluster does not answer.")


if __name__ == "__main__":
    main(*sys.argv[1:])
