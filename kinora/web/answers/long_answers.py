"""The room for answers that are too long for one piece: how many are sent at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from kinora.actors.errors import Busy

AT_ONCE = 32
"""The most long answers that are sent at the same time; a further one is refused with 503."""
AT_ONCE_PER_CLIENT = 8
"""The same for each client, so that one that downloads much leaves room for others."""
RETRY_AFTER_S = 2


class LongAnswers:
    """All long answers that are sent now. Short ones need no room, and so wait for none."""

    def __init__(self) -> None:
        self._sent: Counter[Hashable] = Counter()

    @contextmanager
    def admit(self, client: Hashable) -> Iterator[None]:
        """Count a long answer to ``client`` during the block.

        Raises:
            Busy: too many are sent.
        """
        if self._sent[client] >= AT_ONCE_PER_CLIENT or self._sent.total() >= AT_ONCE:
            raise Busy("Too many long answers are being sent: try again in a moment, or ask for pages.", RETRY_AFTER_S)
        self._sent[client] += 1
        try:
            yield
        finally:
            self._sent[client] -= 1
            if not self._sent[client]:
                del self._sent[client]
