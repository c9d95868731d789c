"""Large events in parts: they come out as they went in, and no more is kept than an event may have."""

import pytest

from kinora.fleet import parts as module
from kinora.fleet.parts import PART, PART_BYTES, EventTooLarge, Joiner, parts


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 2 * PART_BYTES + 1])
def test_an_event_of_any_size_is_put_together_again(size: int) -> None:
    """No part is larger than allowed, and only the last one has the event's kind."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    told = list(parts("frame_done", data))
    assert [kind for kind, _ in told] == [PART] * (len(told) - 1) + ["frame_done"]
    assert all(len(part) <= PART_BYTES for _, part in told)
    assert len(told) == max(1, -(-size // PART_BYTES))
    joiner = Joiner()
    for _ in range(2):
        *first, last = (joiner.add(kind, part) for kind, part in told)
        assert set(first) <= {None}
        assert last == ("frame_done", data)


def test_parts_without_an_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent cannot fill the server's memory with them."""
    monkeypatch.setattr(module, "MAX_EVENT_BYTES", 10)
    joiner = Joiner()
    assert joiner.add(PART, bytes(10)) is None
    with pytest.raises(EventTooLarge, match="more than 10 bytes"):
        joiner.add("frame_done", b"1")
