"""The events of subscribers that take none at the moment, kept once for all that fell behind together."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kinora.runtime.events.broadcast import Batch, Broadcast, Filter, Subscription
from kinora.runtime.events.outbox import Outbox, OutboxFull, Taken

JOIN_AT = 25
"""The number of waiting events from which on a subscriber may join a backlog; these stay in its own outbox."""
SPACING = 100
"""The least number of events between the beginnings of two backlogs. In between, subscribers keep their events."""
MAX_BACKLOGS = 64
"""The most backlogs, for each of them takes every event. Beyond that, subscribers keep their events themselves."""


@attrs.frozen
class Member:
    """A subscriber whose next events a backlog takes."""

    outbox: Outbox
    """Its earlier events."""
    on_full: Callable[[], None]
    """Called if the events that must not be dropped are too many, here and there together."""


class Backlog:
    """The events after one position that one filter accepts. It drops them by the rules of an outbox.

    Dropping from a backlog, and then from it and the earlier events of a member together, gives the same as dropping
    from all of them at once: the oldest go first, and what is outdated in a backlog is so in the whole.
    """

    def __init__(self, feed: Broadcast, wanted: Filter, position: int) -> None:
        self.began = position
        self.members: dict[Subscription, Member] = {}
        self._feed = feed
        self._outbox = Outbox()
        self._subscription = feed.subscribe(self._put, wanted, position)

    def __len__(self) -> int:
        """The number of waiting events."""
        return len(self._outbox)

    @property
    def bytes(self) -> int:
        """The size of the waiting events."""
        return self._outbox.bytes

    def waiting(self) -> Taken:
        """Return the events up to the newest, and those dropped among them. All stay for the other members."""
        self._feed.catch_up(self._subscription)
        return self._outbox.waiting()

    def end(self) -> None:
        """Take no more events."""
        self._feed.unsubscribe(self._subscription)

    def _put(self, batch: Batch) -> None:
        full = False
        try:
            self._outbox.put_all(Taken(batch.events, None))
        except OutboxFull:
            full = True
        if full or self._outbox.is_full_with(self._outbox):
            for member in tuple(self.members.values()):
                if full or member.outbox.is_full_with(self._outbox):
                    member.on_full()


class Backlogs:
    """The backlogs of one broadcast. With them, a subscriber that takes nothing costs nothing at a publication."""

    def __init__(self, feed: Broadcast) -> None:
        self._feed = feed
        self._backlogs: dict[Filter, dict[int, Backlog]] = {}
        """By filter and by the position at which each began, in increasing order."""

    def __len__(self) -> int:
        """The number of backlogs."""
        return sum(map(len, self._backlogs.values()))

    def join(self, subscription: Subscription, member: Member) -> Backlog | None:
        """Have a backlog take the subscriber's next events, and offer it none until ``leave``.

        None if it cannot join now: then it is offered events as before.
        """
        backlog = self._at(subscription.wanted, subscription.position)
        if backlog is not None:
            backlog.members[subscription] = member
            self._feed.unsubscribe(subscription)
        return backlog

    def leave(self, backlog: Backlog, subscription: Subscription) -> Taken:
        """Return what the backlog holds for the subscriber, and offer it the events after that."""
        waiting = backlog.waiting()
        self.quit(backlog, subscription)
        self._feed.resume(subscription)
        return waiting

    def quit(self, backlog: Backlog, subscription: Subscription) -> None:
        """Forget a subscriber that wants no more events; the last member's backlog ends."""
        del backlog.members[subscription]
        if not backlog.members:
            backlog.end()
            of_filter = self._backlogs[subscription.wanted]
            del of_filter[backlog.began]
            if not of_filter:
                del self._backlogs[subscription.wanted]

    def _at(self, wanted: Filter, position: int) -> Backlog | None:
        """The backlog that began at this position, or a new one."""
        of_filter = self._backlogs.get(wanted, {})
        if (found := of_filter.get(position)) is not None:
            return found
        if len(self) >= MAX_BACKLOGS or position < max(of_filter, default=-SPACING) + SPACING:
            return None
        return self._backlogs.setdefault(wanted, of_filter).setdefault(position, Backlog(self._feed, wanted, position))
