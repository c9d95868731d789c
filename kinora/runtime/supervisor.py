"""Starts child tasks in order, stops them in reverse order, and restarts those that crash, up to a limit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import attrs
import structlog
import trio

log = structlog.get_logger(__name__)

State = Literal["down", "starting", "up"]


@attrs.frozen(kw_only=True)
class ChildSpec:
    """One supervised child."""

    name: str
    run: Callable[..., Awaitable[object]]
    """Called as ``run(task_status=...)``; calls ``task_status.started()`` when it is ready."""
    stop: Callable[[], None] | None = None
    """Asks it to finish by itself; if None, it is cancelled."""
    grace_s: float = 5.0
    """The time it gets to finish by itself, and again to end once cancelled."""
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    """When it is started again: after any end, only after a crash, never."""
    optional: bool = False
    """If it crashes too often, it stays down and the others go on; its crashes do not count against them."""


@attrs.frozen
class ChildStatistics:
    """Figures of one child."""

    name: str
    state: State
    restarts: int
    last_error: str | None


@attrs.frozen
class SupervisorStatistics:
    """Figures of a supervisor's children, in the order of their start."""

    name: str
    children: tuple[ChildStatistics, ...]


class RestartIntensityExceeded(Exception):
    """A child crashed more often than is allowed; the last crash is the cause."""


class ChildReturned(Exception):
    """A child that should run for ever returned without being asked to stop; this counts as a crash."""


class RestartPolicy:
    """Decides after each crash whether to restart, and after which delay.

    It gives up beyond ``intensity`` crashes in ``period_s`` seconds; each crash in this time doubles the delay.
    """

    def __init__(self, *, intensity: int, period_s: float, backoff_s: float, backoff_max_s: float) -> None:
        self.intensity = intensity
        self.period_s = period_s
        self.backoff_s = backoff_s
        self.backoff_max_s = backoff_max_s
        self._crashes: deque[float] = deque()

    def crashed(self, now: float) -> float | None:
        """Note a crash. Return the seconds to wait before the next start, or None to give up.

        ``now`` is in seconds of a monotonic clock.
        """
        while self._crashes and self._crashes[0] <= now - self.period_s:
            self._crashes.popleft()
        if len(self._crashes) >= self.intensity:
            return None
        self._crashes.append(now)
        return min(self.backoff_s * math.ldexp(1, len(self._crashes) - 1), self.backoff_max_s)


@attrs.define(eq=False)
class _Child:
    """A running child and its history. It is also the ``task_status`` that its ``run`` gets."""

    spec: ChildSpec
    policy: RestartPolicy
    state: State = "down"
    restarts: int = 0
    last_error: str | None = None
    stopping: bool = False
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """The scope of the present or the next run, with the delay before it."""
    settled: trio.Event = attrs.field(factory=trio.Event)
    """Set when it is up for the first time, or when the others need not wait for it any more."""
    ended: trio.Event = attrs.field(factory=trio.Event)
    """Set when it will not run again."""

    def started(self, value: object = None) -> None:  # noqa: ARG002 - the signature is that of Trio's TaskStatus
        """Mark the child as up; the child itself calls this."""
        self.state = "up"
        # From here on an outer cancellation must not reach it directly: the supervisor stops its children in order.
        self.scope.shield = True
        self.settled.set()

    async def live(self, delay_s: float) -> Exception | None:
        """Wait, run once, and return the crash that ended the run, if any."""
        self.state = "starting"
        try:
            with self.scope:
                await trio.sleep(delay_s)
                await self.spec.run(task_status=self)
        except Exception as error:  # noqa: BLE001 - the restart policy judges every crash
            return error
        finally:
            self.state = "down"
            self.scope = trio.CancelScope()
        if self.spec.restart == "permanent" and not self.stopping:
            return ChildReturned(f"{self.spec.name} returned without being asked to stop")
        return None

    async def stop(self) -> None:
        """End it: ask it to stop if possible, and cancel it after its grace."""
        self.stopping = True
        with trio.move_on_after(2 * self.spec.grace_s):
            if self.state == "up" and self.spec.stop is not None:
                with trio.move_on_after(self.spec.grace_s):
                    self._ask_to_stop(self.spec.stop)
                    await self.ended.wait()
            self.scope.cancel(reason="stopped by its supervisor")
            await self.ended.wait()

    def statistics(self) -> ChildStatistics:
        return ChildStatistics(self.spec.name, self.state, self.restarts, self.last_error)

    def _ask_to_stop(self, stop: Callable[[], None]) -> None:
        try:
            stop()
        except Exception as error:  # an error here must not keep the other children from being stopped
            self.last_error = repr(error)
            log.exception("could not ask to stop", child=self.spec.name)
            self.scope.cancel(reason="could not be asked to stop")


class Supervisor:
    """Keeps its children running: it starts them in order, stops them in reverse, and restarts each one that crashes.

    Needed children share one restart intensity, and each optional one has its own. If the shared one is exceeded, or
    a needed child fails in its first start, all are stopped and ``run`` raises.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        intensity: int = 3,
        period_s: float = 60.0,
        backoff_s: float = 0.1,
        backoff_max_s: float = 5.0,
    ) -> None:
        self.name = name
        self._specs = tuple(children)
        self._limits: dict[str, Any] = {
            "intensity": intensity,
            "period_s": period_s,
            "backoff_s": backoff_s,
            "backoff_max_s": backoff_max_s,
        }
        self._reset()

    def _reset(self) -> None:
        shared = RestartPolicy(**self._limits)
        self._children = {
            spec.name: _Child(spec, RestartPolicy(**self._limits) if spec.optional else shared) for spec in self._specs
        }
        self._starting = trio.CancelScope()
        self._stopping = trio.Event()
        self._failure: Exception | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children, keep them running, and return when ``stop`` was called and all have ended.

        If this is cancelled, it stops them in the same order, which takes at most twice the sum of their graces.

        Raises:
            RestartIntensityExceeded: from the last crash; all children are stopped.
            Exception: raised by a needed child in its first start; those started before it are stopped.
        """
        self._reset()
        alive: list[_Child] = []
        async with trio.open_nursery() as nursery:
            try:
                with self._starting:
                    for child in self._children.values():
                        alive.append(child)
                        nursery.start_soon(self._keep_alive, child)
                        await child.settled.wait()
                if self._failure is None:
                    task_status.started()
                await self._stopping.wait()
            finally:
                with trio.move_on_after(sum(2 * child.spec.grace_s for child in alive), shield=True):
                    for child in reversed(alive):
                        await child.stop()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stop the children, the last one first; ``run`` returns when that is done."""
        self._stopping.set()
        self._starting.cancel(reason="stopped while starting")

    def is_up(self, name: str) -> bool:
        """True while this child is up: it has started and not ended."""
        return self._children[name].state == "up"

    def statistics(self) -> SupervisorStatistics:
        """The present figures."""
        return SupervisorStatistics(self.name, tuple(child.statistics() for child in self._children.values()))

    async def _keep_alive(self, child: _Child) -> None:
        delay_s: float | None = 0.0
        try:
            while delay_s is not None:
                error = await child.live(delay_s)
                delay_s = None if error is None else self._after_crash(child, error)
        finally:
            child.settled.set()
            child.ended.set()

    def _after_crash(self, child: _Child, error: Exception) -> float | None:
        """The seconds to wait before the next start; None if there will be none."""
        child.last_error = repr(error)
        needed = not child.spec.optional
        if needed and not child.settled.is_set() and not child.stopping:
            self._fail(error)  # which run() raises, so that its caller tells it
            return None
        log.error("child crashed", supervisor=self.name, child=child.spec.name, exc_info=error)
        if child.stopping or child.spec.restart == "temporary":
            return None
        child.settled.set()
        delay_s = child.policy.crashed(trio.current_time())
        if delay_s is not None:
            child.restarts += 1
        elif needed:
            exceeded = RestartIntensityExceeded(f"{self.name}: {child.spec.name} crashed too often")
            exceeded.__cause__ = error
            self._fail(exceeded)
        return delay_s

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.stop()
