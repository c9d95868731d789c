"""Stores changes of deliveries, however long that takes."""

from __future__ import annotations

from kinora.actors.store.database import Statement
from kinora.actors.store.store import Store, StoreFailing
from kinora.runtime.actor import ActorGone


async def store_surely(store: Store, *statements: Statement) -> None:
    """Store changes, and return once they are on disk. If this is cancelled, they may be stored or not."""
    while True:
        try:
            await store.change(*statements)
        except (StoreFailing, ActorGone):  # the store tells the operator
            await store.wait_writable()
        else:
            return
