"""An actor answers in order, and nobody who asked it is left waiting when it ends."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.runtime.actor import CLOSE_GRACE_S, Actor, ActorGone


class Expected(Exception):
    """An error that is an answer."""


class Echo(Actor):
    """Gives back what it gets, an exception by raising it; a number is how long it thinks, in seconds."""

    expected: ClassVar[tuple[type[Exception], ...]] = (Expected,)

    def __init__(self, mailbox_size: int = 4) -> None:
        super().__init__("echo", mailbox_size)
        self.seen: list[Any] = []
        self.closed = 0

    async def handle(self, message: Any) -> Any:
        """Do what the message is."""
        self.seen.append(message)
        if isinstance(message, Exception):
            raise message
        if isinstance(message, int):
            await trio.sleep(message)
        return message

    async def close(self) -> None:
        """Count."""
        self.closed += 1


async def refused(actor: Actor, message: Any) -> None:
    """Ask, and expect that the actor is gone."""
    with pytest.raises(ActorGone):
        await actor.ask(message)


async def crashing(  # noqa: ASYNC128 - the actor says when it has started
    actor: Actor, *, task_status: trio.TaskStatus[None]
) -> None:
    """Run an actor that will end with a KeyError."""
    with pytest.raises(KeyError):
        await actor.run(task_status=task_status)


async def test_asks_are_answered_in_order(autojump_clock: MockClock) -> None:
    """The answer of ask is what handle returned, and tells are handled before later asks."""
    actor = Echo()
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        await actor.tell("first")
        assert await actor.ask("second") == "second"
        assert actor.seen == ["first", "second"]
        nursery.cancel_scope.cancel()


async def test_a_full_mailbox_makes_senders_wait(autojump_clock: MockClock) -> None:
    """With one message in work and the mailbox full, the next sender waits for room."""
    actor = Echo(mailbox_size=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        await actor.tell(10)
        await wait_all_tasks_blocked()
        await actor.tell("fills the mailbox")
        before = trio.current_time()
        await actor.tell("waits")
        assert trio.current_time() - before == pytest.approx(10)
        statistics = actor.statistics()
        assert (statistics.running, statistics.peak_waiting, statistics.capacity) == (True, 1, 1)
        nursery.cancel_scope.cancel()


async def test_an_expected_error_goes_to_the_asker_only(autojump_clock: MockClock) -> None:
    """After an expected error the actor goes on."""
    actor = Echo()
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        with pytest.raises(Expected):
            await actor.ask(Expected("no"))
        assert await actor.ask("still there") == "still there"
        nursery.cancel_scope.cancel()


async def test_an_unexpected_error_ends_the_actor_and_frees_all_who_wait(autojump_clock: MockClock) -> None:
    """The asker, those in the mailbox and those waiting for room get ActorGone; the error comes out of run."""
    actor = Echo(mailbox_size=1)
    crash = KeyError("unexpected")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(crashing, actor)
            await actor.tell(1)
            nursery.start_soon(refused, actor, crash)
            await wait_all_tasks_blocked()
            for message in ("waits", "waits for room", "waits for room too"):
                nursery.start_soon(refused, actor, message)
    assert crash in actor.seen
    assert "waits" not in actor.seen
    await refused(actor, "after the end")
    assert actor.closed == 1


async def test_an_error_that_nobody_waits_for_ends_the_actor(autojump_clock: MockClock) -> None:
    """Even an expected error crashes it when it was told, not asked."""
    actor = Echo()
    with pytest.RaisesGroup(Expected):
        async with trio.open_nursery() as nursery:
            await nursery.start(actor.run)
            await actor.tell(Expected("nobody hears this"))


async def test_stop_deals_with_what_waits(autojump_clock: MockClock) -> None:
    """Messages in the mailbox are handled, later ones refused, then run returns."""
    actor = Echo()
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        for message in (1, "two", "three"):
            await actor.tell(message)
        actor.stop()
        await refused(actor, "too late")
    assert actor.seen == [1, "two", "three"]
    assert actor.statistics().handled == 3
    assert not actor.statistics().running


async def test_cancelling_refuses_the_message_in_work(autojump_clock: MockClock) -> None:
    """Who asked for what was cut short by a cancellation gets ActorGone, and close still runs."""
    actor = Echo()
    async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        outer.start_soon(refused, actor, 1_000)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert actor.closed == 1


async def test_an_actor_that_does_not_run_refuses() -> None:
    """Asked before its start it is as gone as after its end."""
    await refused(Echo(), "anyone?")
    with pytest.raises(ActorGone):
        await Echo().tell("anyone?")


async def test_an_actor_runs_again_with_a_fresh_mailbox(autojump_clock: MockClock) -> None:
    """After a crash the same actor can be run again and knows nothing of old messages."""
    actor = Echo()
    with pytest.RaisesGroup(KeyError):
        async with trio.open_nursery() as nursery:
            await nursery.start(actor.run)
            for message in (1, KeyError(), "lost"):
                await actor.tell(message)
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        assert await actor.ask("again") == "again"
        actor.stop()
    assert "lost" not in actor.seen


async def test_running_twice_at_once_is_a_mistake(autojump_clock: MockClock) -> None:
    """A second run of a running actor is refused, and the first goes on."""
    actor = Echo()
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        with pytest.raises(RuntimeError, match="runs already"):
            await actor.run()
        assert await actor.ask("first one") == "first one"
        actor.stop()


async def test_a_hanging_close_is_cut_short(autojump_clock: MockClock) -> None:
    """A close that never returns delays the end by its grace and no longer."""

    class Hanging(Echo):
        async def close(self) -> None:
            await trio.sleep_forever()

    actor = Hanging()
    async with trio.open_nursery() as nursery:
        await nursery.start(actor.run)
        before = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - before == pytest.approx(CLOSE_GRACE_S)


async def test_an_actor_without_handle_says_what_to_do() -> None:
    """Forgetting to override handle gives a message that names the method."""
    with pytest.raises(NotImplementedError, match=r"Actor must define handle"):
        await Actor("plain", 1).handle("x")
