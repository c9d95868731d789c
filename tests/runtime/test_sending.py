"""Sending without a checkpoint where there is room, and receiving where something waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import assert_checkpoints, assert_no_checkpoints

from kinora.runtime.sending import receive, send


async def test_where_there_is_room_sending_lets_no_other_task_run() -> None:
    """The value is there at once; only a full channel makes the sender wait."""
    sender, receiver = trio.open_memory_channel[int](1)
    with assert_no_checkpoints():
        await send(sender, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, sender, 2)
        await trio.testing.wait_all_tasks_blocked()
        with assert_checkpoints():
            assert [await receiver.receive(), await receiver.receive()] == [1, 2]


async def test_a_value_whose_sending_is_cancelled_is_not_sent() -> None:
    """As with Trio's own."""
    sender, receiver = trio.open_memory_channel[int](0)
    with trio.move_on_after(0):
        await send(sender, 1)
    with pytest.raises(trio.WouldBlock):
        receiver.receive_nowait()


async def test_a_receiver_that_has_gone_is_told_unless_the_sender_is_cancelled_as_well() -> None:
    """A crowd that is cancelled ends as cancelled, in whatever order its members go."""
    sender, receiver = trio.open_memory_channel[int](1)
    receiver.close()
    with pytest.raises(trio.BrokenResourceError):
        await send(sender, 1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await send(sender, 1)
    assert scope.cancelled_caught


async def test_what_waits_is_received_without_letting_another_task_run() -> None:
    """Only an empty channel makes the receiver wait, and one that has ended gives None, also while it waits."""
    sender, receiver = trio.open_memory_channel[int](1)
    await send(sender, 1)
    with assert_no_checkpoints():
        assert await receive(receiver) == 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.aclose)
        with assert_checkpoints():
            assert await receive(receiver) is None
    with assert_no_checkpoints():
        assert await receive(receiver) is None
