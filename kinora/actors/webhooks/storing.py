"""Has changes of deliveries written for certain."""

from __future__ import annotations

from kinora.actors.database import Statement
from kinora.actors.store import Store, StoreFailing
from kinora.runtime.actor import ActorGone


async def store_surely(store: Store, *statements: Statement) -> None:
    """Return once these changes are on disk, however long the disk cannot be written. If cancelled, they may be."""
    while True:
        try:
            await store.change(*statements)
        except (StoreFailing, ActorGone):  # the store tells the operator
            await store.wait_writable()
        else:
            return
