"""What an attempt has told: nothing is lost, doubled or reordered, and no more is kept than the window has."""

from hypothesis import given
from hypothesis import strategies as st

from kinora.agent.outgoing import BATCH_BYTES, BATCH_EVENTS, PICTURES_BEHIND_BYTES, WINDOW_BYTES, Outgoing
from kinora.fleet.link import WINDOW_FRAMES
from kinora.fleet.parts import PART, PART_BYTES


def sent(out: Outgoing) -> list[tuple[int, str, bytes]]:
    """All that is to be sent now, each with its number."""
    found = []
    while (batch := out.batch()) is not None:
        first, events = batch
        found += [(first + place, kind, data) for place, (kind, data) in enumerate(events)]
    return found


def test_events_are_numbered_and_sent_once() -> None:
    """They come in their order, in messages of a bounded size."""
    out = Outgoing()
    assert out.batch() is None
    for number in range(BATCH_EVENTS + 5):
        out.add("warning", str(number).encode())
    batch = out.batch()
    assert batch is not None
    assert (batch[0], len(batch[1])) == (1, BATCH_EVENTS)
    assert [number for number, _, _ in sent(out)] == [*range(BATCH_EVENTS + 1, BATCH_EVENTS + 6)]
    assert out.batch() is None
    assert out.told == BATCH_EVENTS + 5
    out.add("frame_done", bytes(BATCH_BYTES))
    out.add("ended", b"{}")
    batch = out.batch()
    assert batch is not None
    assert [kind for kind, _ in batch[1]] == ["frame_done"]


def test_a_new_connection_begins_behind_what_the_server_has_taken() -> None:
    """What is taken but not acknowledged is kept, and not sent again."""
    out = Outgoing()
    for number in range(1, 9):
        out.add("frame_done", b"%d" % number)
    sent(out)
    out.acknowledge(3)
    out.resend(5)
    assert sent(out) == [(6, "frame_done", b"6"), (7, "frame_done", b"7"), (8, "frame_done", b"8")]
    out.resend(0)
    assert [number for number, _, _ in sent(out)] == [4, 5, 6, 7, 8]


def test_the_window_is_of_frames_and_of_bytes() -> None:
    """Beyond either the pipeline waits until some are acknowledged."""
    out = Outgoing()
    for _ in range(WINDOW_FRAMES):
        out.add("state", b"{}")
        out.add("frame_done", b"1")
    rooms = [out.has_room]
    out.acknowledge(2)
    rooms.append(out.has_room)
    out.add("frame_done", bytes(WINDOW_BYTES))
    out.acknowledge(out.told - WINDOW_BYTES // PART_BYTES)
    rooms.append(out.has_room)
    out.acknowledge(out.told)
    rooms.append(out.has_room)
    assert rooms == [False, True, False, True]


def test_pictures_are_dropped_while_the_connection_is_behind() -> None:
    """They are worth nothing later; all else is told."""
    out = Outgoing()
    out.add("frame_image", bytes(PICTURES_BEHIND_BYTES))
    out.add("frame_done", b"1")
    out.add("frame_image", b"late")
    out.add("frame_done", b"2")
    kinds = [kind for _, kind, _ in sent(out) if kind != PART]
    assert kinds == ["frame_image", "frame_done", "frame_done"]
    out.add("frame_image", b"in time")
    assert len(sent(out)) == 1


def test_an_attempt_is_done_once_its_last_event_is_acknowledged() -> None:
    """Until then it is one that runs, as its end may have to be told again."""
    out = Outgoing()
    out.add("ended", b"{}")
    assert out.is_complete
    assert not out.is_done
    out.acknowledge(1)
    assert out.is_done


@given(st.lists(st.sampled_from(["add", "large", "batch", "acknowledge", "reconnect"]), max_size=40))
def test_the_server_takes_each_event_once_whatever_happens(steps: list[str]) -> None:
    """A server that takes numbers in their order has all events once a connection lasts."""
    out, added, taken, stored = Outgoing(), list[bytes](), list[bytes](), 0
    for step in [*steps, "reconnect", *["batch"] * len(steps) * 3]:
        match step:
            case "add" | "large":
                data = b"%d" % len(added) + bytes(2 * PART_BYTES if step == "large" else 0)
                out.add("frame_done", data)
                added.append(data)
            case "batch" if (batch := out.batch()) is not None:
                assert batch[0] == len(taken) + 1
                taken += [data for _, data in batch[1]]
            case "acknowledge":
                stored = len(taken)
                out.acknowledge(stored)
            case "reconnect":
                out.batch()  # lost
                out.resend(len(taken))
    assert out.told == len(taken)
    assert b"".join(taken) == b"".join(added)
    out.acknowledge(out.told)
    assert out.has_room
    assert (out._frames, out._bytes, out._unsent_bytes) == (0, 0, 0)
