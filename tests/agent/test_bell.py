"""What is to be sent is not sent in many small messages."""

import trio

from kinora.agent.bell import PAUSE_S, Bell


async def test_what_comes_together_goes_together(autojump_clock: object) -> None:
    """The first ring is heard at once, and those close to it by one wait a little later."""
    bell = Bell()
    began = trio.current_time()
    bell.ring()
    await bell.wait()
    assert trio.current_time() == began
    bell.ring()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell.wait)
        await trio.sleep(PAUSE_S / 2)
        bell.ring()
    assert trio.current_time() == began + PAUSE_S
    with trio.move_on_after(1) as silence:
        await bell.wait()
    assert silence.cancelled_caught
    bell.ring()
    began = trio.current_time()
    await bell.wait()
    assert trio.current_time() == began
