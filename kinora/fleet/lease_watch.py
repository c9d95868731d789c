"""Looks again and again whose lease has ended."""

from __future__ import annotations

import trio

from kinora.fleet.agent_book import AgentBook

LOOK_S = 0.1
"""The time between two looks: an agent is found lost so much too late at most."""


async def watch_leases(book: AgentBook, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Lose all agents whose lease has ended, until cancelled."""
    task_status.started()
    while True:
        await book.wait_any()
        book.lose_expired()
        await trio.sleep(LOOK_S)
