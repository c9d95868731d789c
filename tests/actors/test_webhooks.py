"""Webhooks: what jobs tell is posted, signed, at least once; a receiver that does not take it delays nobody."""

from __future__ import annotations

import hmac
import socket
import sqlite3
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from kinora.actors.audience import Nobody
from kinora.actors.errors import Busy
from kinora.actors.messages import CompletePayload, EndStatus, EventPayload
from kinora.actors.store import database
from kinora.actors.store.store import Store
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks import receiver as posting
from kinora.actors.webhooks import sender as sender_module
from kinora.actors.webhooks import webhooks as webhooks_module
from kinora.actors.webhooks.back_off import LONGEST_PAUSE_S, BackOff, pause_s
from kinora.actors.webhooks.cooldown import Cooldown
from kinora.actors.webhooks.delivery_table import Delivery, DeliveryFilter, DeliveryStatus, NewDelivery
from kinora.actors.webhooks.outcome import Answer
from kinora.actors.webhooks.receiver import Message
from kinora.actors.webhooks.sender import RETRY_FOR_S, Posts, Sender, Waiting
from kinora.actors.webhooks.webhook import Occurrence, Webhook
from kinora.actors.webhooks.webhooks import Webhooks
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.authority import Authority
from tests.cli.test_cli import Served, extended, serving
from tests.client_kit import ask, get
from tests.jobs_kit import run_job, write_plugin
from tests.webhook_kit import Posted, drips, floods, hangs, never_ends, receiver, says

PLENTY_S = 60.0
"""A safety net."""
WORRIED = """
class Worried(Plugin):
    metadata = PluginMetadata(name="worried", version="1")

    def prepare(self, context):
        self.context = context
        context.warn("dark")

    def process_frame(self, frame):
        self.context.event("seen", "A cat", {"legs": 4})
        return {}
"""
SECRET = "correct horse"  # noqa: S105 - of no receiver but these

ANSWERS = {
    "good": "it answered 204 No Content",
    "floods": "it answered 200 OK",
    "hangs": "it did not answer within 1 s: it should answer at once, and do its work after that",
    "drips": "it did not answer within 1 s: it should answer at once, and do its work after that",
    "refuses": "it answered 500 Internal Server Error: its own log should say why",
    "redirects": "it answered 307 Temporary Redirect: redirects are not followed, set url to where it leads",
    "lies": "it does not speak HTTP: check the port in url",
    "closes": "it closed the connection without an answer: its own log should say why",
    "never_ends": "its answer does not end: it should be a status with a short head",
    "long_head": "it does not speak HTTP: check the port in url",
    "gone": "nothing takes connections at its address: check host and port in url, and the firewalls between",
    "unsigned": "its secret_file cannot be read (No such file or directory): mend it, it is read at each post",
    "empty": "its secret_file cannot be read (it is empty): mend it, it is read at each post",
}
TAKEN = {"good", "floods"}


def right(posted: Posted, secret: str) -> bool:
    """True if the signature is right, as a receiver finds it out."""
    at, _, digest = posted.headers["kinora-signature"].removeprefix("t=").partition(",v1=")
    signed = at.encode() + b"." + posted.body
    return abs(time.time() - int(at)) < PLENTY_S and hmac.new(secret.encode(), signed, "sha256").hexdigest() == digest


async def deliveries(system: System, status: DeliveryStatus | None = None) -> list[Delivery]:
    """All deliveries, the oldest first."""
    return [*reversed(await system.webhooks.deliveries(DeliveryFilter(status=status), before=None, limit=500))]


async def until_answers_are(system: System, expected: dict[str, str]) -> None:
    """Wait until this came of the last attempt for the only delivery of each webhook."""
    with trio.fail_after(PLENTY_S):
        while {one.webhook: one.answer for one in await deliveries(system)} != expected:  # noqa: ASYNC110 - the store has no event for it
            await trio.sleep(0.01)


async def test_receivers_that_take_nothing_delay_nobody(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the job nor the receiver that takes it. What came of each attempt is told."""
    monkeypatch.setattr(posting, "ATTEMPT_S", 1.0)
    (secret_file := tmp_path / "secret").write_text(SECRET + "\n")
    replies = {
        "hangs": hangs,
        "refuses": says(b"HTTP/1.1 500 Oops\r\n\r\n"),
        "redirects": says(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\n\r\n"),
        "drips": drips,
        "floods": floods,
        "lies": says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        "closes": says(b""),
        "never_ends": never_ends,
        "long_head": says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 50_000),
    }
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(receiver())
        bad = {name: await stack.enter_async_context(receiver(reply)) for name, reply in replies.items()}
        webhooks = {name: one.webhook(events=("complete",)) for name, one in bad.items()}
        webhooks["gone"] = Webhook(url=f"http://127.0.0.1:{nobody}/", events=("complete",))
        webhooks["unsigned"] = good.webhook(events=("complete",), secret_file=tmp_path / "none")
        (empty := tmp_path / "empty").write_text("\n")
        webhooks["empty"] = good.webhook(events=("complete",), secret_file=empty)
        webhooks["good"] = good.webhook(events=("complete",), secret_file=secret_file)
        async with open_server(attrs.evolve(settings, webhooks=webhooks)) as server:
            system = server.system
            with trio.fail_after(PLENTY_S):
                state = await run_job(system, "motion", max_frames=1)
                (posted,) = await good.wait_for(1)
            await until_answers_are(system, ANSWERS)
            shown = (await get(f"{server.url}/v1/deliveries?status=delivered")).json()
            first_page = (await get(f"{server.url}/v1/deliveries?status=waiting&limit=3")).json()
            rest = (await get(f"{server.url}/v1/deliveries?status=waiting&before={first_page['next']}")).json()
            wrong = await get(f"{server.url}/v1/deliveries?status=lost")
            removed = await ask(f"{server.url}/v1/jobs/{state.job_id}", "DELETE")
            left = (await get(f"{server.url}/v1/deliveries")).json()
    assert {one["webhook"] for one in shown["deliveries"]} == TAKEN
    taken = shown["deliveries"][0]
    assert (taken["id"], taken["attempts"]) == (f"{state.job_id}/complete", 1)
    assert (taken["event"], taken["kind"]) == (None, "done")
    states = {one["name"]: one for one in shown["webhooks"]}
    assert (states["good"]["delivered"], states["good"]["waiting"], states["good"]["fault"]) == (1, 0, "")
    assert (states["lies"]["delivered"], states["lies"]["waiting"], states["lies"]["fault"]) == (0, 1, ANSWERS["lies"])
    assert (len(first_page["deliveries"]), rest["next"]) == (3, None)
    assert len(rest["deliveries"]) == len(ANSWERS) - len(TAKEN) - 3
    assert "127.0.0.1" not in msgspec.json.encode([shown, first_page, rest]).decode()
    assert wrong.status == 422
    assert removed.status == 204
    assert {one["status"] for one in left["deliveries"]} == {"waiting"}, (
        "those of a deleted job go once they have ended"
    )
    assert len(left["deliveries"]) == len(ANSWERS) - len(TAKEN)
    assert right(posted, SECRET)
    assert not right(posted, "wrong")
    assert posted.target == "/hook?key=k"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["kinora-event"] == "complete"
    assert posted.headers["kinora-delivery"] == posted.message["id"] == f"{state.job_id}/complete"
    assert posted.message["type"] == "complete"
    assert posted.message["payload"]["job_id"] == state.job_id
    assert posted.message["payload"]["status"] == "done"


def test_what_waits_survives_kill_9(
    settings: Settings, tmp_path: Path, media: Path, plugins_dir: Path, unused_port: int
) -> None:
    """The next server posts all that the job told before its end was seen; of a webhook that is no more it is given up.

    Of two events of one kind the cooldown leaves out the second.
    """
    write_plugin(plugins_dir, "worried", WORRIED)
    url = f"http://127.0.0.1:{unused_port}/"
    (config := tmp_path / "kinora.toml").write_text(f"""
        [webhooks.alarm]
        url = "{url}"
        events = ["warning", "complete", "seen"]
        cooldown_s = 1000
        [webhooks.old]
        url = "{url}"
        events = ["complete"]
    """)
    with serving(tmp_path, media, KINORA_CONFIG=str(config), KINORA_PLUGINS_DIR=str(plugins_dir)) as served:
        job_id = submitted(served, {"source": "clip.mp4", "plugins": ["worried"], "options": {"max_frames": 2}})
        while extended(served, job_id)["status"] != "done":
            time.sleep(0.01)
        served.process.kill()
        served.process.wait(PLENTY_S)
    next_one = attrs.evolve(
        settings, data_dir=tmp_path / "served", webhooks={"alarm": Webhook(url=url, events=("complete",))}
    )
    posts, found = trio.run(taken_by_the_next_server, next_one, unused_port)
    warned, seen, ended = sorted((posted.message for posted in posts), key=lambda message: str(message["timestamp"]))
    assert warned["payload"]["message"] == "dark"
    assert seen["id"].startswith(f"{job_id}/event/1/")
    assert (seen["type"], seen["payload"]["kind"], seen["payload"]["number"]) == ("event", "seen", 1)
    assert (seen["payload"]["data"], seen["payload"]["index"]) == ({"legs": 4}, 0)
    assert ended["id"] == f"{job_id}/complete"
    assert {(one.webhook, one.status) for one in found} == {("alarm", "delivered"), ("old", "given_up")}
    assert {one.event for one in found} == {None, 1}


async def taken_by_the_next_server(settings: Settings, port: int) -> tuple[list[Posted], list[Delivery]]:
    """What the receiver at this port gets, and the deliveries once none waits."""
    with trio.fail_after(PLENTY_S):
        async with receiver(port=port) as taken, open_system(settings) as system:
            await taken.wait_for(3)
            while await deliveries(system, "waiting"):  # noqa: ASYNC110 - the store has no event for it
                await trio.sleep(0.01)
            return taken.posts, await deliveries(system)


def submitted(served: Served, request: dict[str, Any]) -> str:
    """Submit a job, and return its id."""
    body, headers = msgspec.json.encode(request), {"content-type": "application/json"}
    asked = urllib.request.Request(f"{served.url}/v1/jobs", body, headers)  # noqa: S310 - its own server
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - its own server
        return str(msgspec.json.decode(answer.read())["job_id"])


@pytest.fixture
def unused_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


NEW = NewDelivery(
    webhook="alarm",
    key="j/complete",
    job_id="j",
    type="complete",
    kind="done",
    event=None,
    created_at="2026-11-23T08:00:00.000Z",
    body=b"{}",
)


KEYS = [f"j/event/{number}" for number in range(50)]


class Receiving:
    """A receiver that answers as ``answer`` says, and notes what it was asked."""

    def __init__(self, answer: Callable[[str], int | None]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, float]] = []
        """Keys, each with the time."""
        self.taken: set[str] = set()
        self.tired = trio.Event()
        """Set with the first attempt an hour after the first one, or once it has taken all ``KEYS`` but one."""

    async def post(self, message: Message, at: int) -> Answer:
        """Take it, refuse it, or be away."""
        now = trio.current_time()
        self.asked.append((message.id, now))
        answer = Answer("it sleeps", self._answer(message.id))
        if answer.accepted:
            self.taken.add(message.id)
        if now - self.asked[0][1] >= RETRY_FOR_S or len(self.taken) >= len(KEYS) - 1:
            self.tired.set()
        return answer


@asynccontextmanager
async def sending(store: Store, posts: Posts, keys: Sequence[str], *, age_s: float = 0.0) -> AsyncIterator[Sender]:
    """A sender at work, which holds the deliveries of these keys, of this age; those of all ``KEYS`` are stored."""
    await store.change(*(delivery_table.add_delivery(attrs.evolve(NEW, key=key)) for key in KEYS))
    sender = Sender("alarm", posts, store)
    for key in keys:
        sender.hold(Waiting(key, "event", trio.current_time() - age_s))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        yield sender
        nursery.cancel_scope.cancel()


async def until_sent(sender: Sender) -> None:
    """Wait until none waits. Virtual time flies meanwhile, as the store's threads take their time."""
    while len(sender):  # noqa: ASYNC110 - the store has no event for it
        await trio.sleep(0.01)


async def test_a_receiver_that_is_away_is_not_flooded(autojump_clock: MockClock) -> None:
    """However much waits, it is asked as seldom as with one message, logged once, and gets all when it is back."""
    receiving = Receiving(lambda _: 204 if trio.current_time() >= 3000 else 429)
    with capture_logs() as logs:
        async with stored() as store, sending(store, receiving, KEYS) as sender:
            await receiving.tired.wait()
            await until_sent(sender)
    tried = [at for _, at in receiving.asked if at < 3000]
    assert 10 <= len(tried) <= 25
    assert max(later - sooner for sooner, later in pairwise(tried)) <= LONGEST_PAUSE_S * 1.2 + 1
    assert sorted(key for key, at in receiving.asked if at >= 3000) == sorted(KEYS)
    assert [entry["reason"] for entry in logs] == ["it sleeps"]


async def test_after_an_hour_it_is_given_up(autojump_clock: MockClock) -> None:
    """Not before."""
    receiving = Receiving(lambda _: None)
    async with stored() as store, sending(store, receiving, KEYS[:1]) as sender:
        await receiving.tired.wait()
        await until_sent(sender)
    (_, first), *_, (_, last) = receiving.asked
    assert RETRY_FOR_S <= last - first <= RETRY_FOR_S + LONGEST_PAUSE_S * 1.2 + 1


def test_a_new_message_is_tried_soon_though_the_receiver_was_away() -> None:
    """A second after the last attempt; not when the pause of those before it is over."""
    back_off = BackOff()
    for attempt in range(9):
        back_off.note(100.0 + attempt, 0, away=True)
    assert back_off.until == 108 + 256
    back_off.hurry()
    assert back_off.until == 109
    back_off.note(109, 0, away=False)
    assert back_off.until == 109


@pytest.mark.parametrize("answer", [400, 500, None])
async def test_a_message_that_is_never_taken_holds_up_no_other(autojump_clock: MockClock, answer: int | None) -> None:
    """Neither if it is refused, nor if the receiver breaks down with it."""
    receiving = Receiving(lambda key: answer if key == KEYS[0] else 204)
    began = trio.current_time()
    async with stored() as store, sending(store, receiving, KEYS):
        await receiving.tired.wait()
        assert trio.current_time() < began + 10


async def test_what_came_of_a_delivery_is_stored_before_the_next_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program holds the database up none is posted, as a restart would post each of them once more."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    path, asked = tmp_path / "kinora.db", KEYS[:2]

    def take(key: str) -> int:
        if key == asked[0]:
            other.execute("BEGIN IMMEDIATE")
        return 204

    receiving = Receiving(take)
    with trio.fail_after(PLENTY_S), closing(sqlite3.connect(path, isolation_level=None)) as other:
        async with stored(path) as store, sending(store, receiving, asked) as sender:
            await store.wait_failing()
            assert [key for key, _ in receiving.asked] == asked[:1]
            other.execute("ROLLBACK")
            await until_sent(sender)
            found = await store.read(delivery_table.deliveries, DeliveryFilter(status="delivered"), None, 500)
    assert [key for key, _ in receiving.asked] == asked
    assert [one.key for one in reversed(found)] == asked


async def test_deliveries_that_ended_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few more than are to be kept are there for a while."""
    monkeypatch.setattr(delivery_table, "KEPT", 10)
    monkeypatch.setattr(sender_module, "FORGET_EVERY", 5)
    async with stored() as store, sending(store, Receiving(lambda _: 204), KEYS) as sender:
        await until_sent(sender)
        found = await store.read(delivery_table.deliveries, DeliveryFilter(), None, 500)
    assert [one.key for one in reversed(found)] == KEYS[-10:]


async def test_what_is_too_old_is_given_up_together(autojump_clock: MockClock) -> None:
    """With the first attempt that fails as the receiver is away, not one by one, and with one line in the log."""
    receiving = Receiving(lambda _: None)
    with capture_logs() as logs:
        async with stored() as store, sending(store, receiving, KEYS, age_s=RETRY_FOR_S) as sender:
            await until_sent(sender)
            assert sender.figures.given_up == len(KEYS)
    assert len(receiving.asked) == 1
    assert [entry.get("number") for entry in logs] == [None, len(KEYS)]


def test_pauses_grow_and_are_bounded() -> None:
    """Twice as long each time, a fifth longer or shorter by chance."""
    assert [pause_s(attempts, 0) for attempts in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]
    assert (pause_s(1, -1), pause_s(1, 1)) == (0.8, 1.2)


ENTERED = Occurrence("event", "entered", "zones", 1)
CROSSED = Occurrence("event", "crossed", "zones", 2)
SCANNED = Occurrence("event", "complete", "scanner", 3)
DARK = Occurrence("warning", "PLUGIN_WARNING", "people")
DONE = Occurrence("complete", "done", None)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({}, [ENTERED, CROSSED, SCANNED]),
        ({"events": ("crossed", "complete")}, [CROSSED, DONE]),
        ({"events": ("event:complete", "event:crossed")}, [CROSSED, SCANNED]),
        ({"events": ("event:*",)}, [ENTERED, CROSSED, SCANNED]),
        ({"events": ("*", "warning"), "plugins": ("zones",)}, [ENTERED, CROSSED]),
        ({"events": ("warning", "complete"), "plugins": ("people",)}, [DARK, DONE]),
    ],
)
def test_a_webhook_gets_what_it_wants(choice: dict[str, Any], wanted: list[Occurrence]) -> None:
    """By kind and plugin. ``complete`` is the end of a job, never the kind of a plugin's event."""
    webhook = Webhook(url="http://10.0.0.5/", **choice)
    assert [one for one in (ENTERED, CROSSED, SCANNED, DARK, DONE) if webhook.wants(one)] == wanted


def test_a_webhook_is_for_some_jobs_or_all() -> None:
    """Standing jobs by name."""
    some, every = Webhook(url="http://10.0.0.5/", jobs=("door",)), Webhook(url="http://10.0.0.5/")
    assert [some.wants_job(name) for name in ("door", "gate", None)] == [True, False, False]
    assert every.wants_job(None)


def test_a_kind_that_has_just_come_is_left_out_for_a_while() -> None:
    """For each job, kind and plugin; the end of a job never is."""
    cooldown = Cooldown(10)
    assert cooldown.lets_through("a", ENTERED, 0)
    assert not cooldown.lets_through("a", attrs.evolve(ENTERED, event=7), 9.9)
    assert cooldown.lets_through("b", ENTERED, 5)
    assert cooldown.lets_through("a", CROSSED, 5)
    assert cooldown.lets_through("a", ENTERED, 10)
    assert cooldown.lets_through("a", DONE, 0)
    assert cooldown.lets_through("a", DONE, 0)


async def test_what_too_many_wait_for_is_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The first ones stay, and age; no job waits."""
    monkeypatch.setattr(webhooks_module, "MAX_WAITING", 2)
    webhooks = Webhooks({"alarm": Webhook(url="http://10.0.0.5/", events=("complete",))}, Store(":memory:"))
    audience = webhooks.audience_of(None, Nobody())
    for number in range(5):
        job_id = f"job {number}"
        audience.publish(CompletePayload(job_id=job_id, status="done", frames=1, duration_ms=1.0, warnings_count=0))
        await trio.sleep(1)
    (state,) = webhooks.states()
    assert (state.waiting, state.figures.left_out, state.oldest_s) == (2, 3, 5)


async def test_one_test_of_a_webhook_runs_at_a_time() -> None:
    """Clients cannot have a receiver flooded by asking for many."""
    async with receiver(hangs) as silent, trio.open_nursery() as nursery:
        webhooks = Webhooks({"alarm": silent.webhook()}, Store(":memory:"))
        nursery.start_soon(webhooks.test, "alarm")
        with trio.fail_after(PLENTY_S):
            await silent.wait_for(1)
        with pytest.raises(Busy):
            await webhooks.test("alarm")
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def stored(path: Path | str = ":memory:") -> AsyncIterator[Store]:
    """A store that runs."""
    store = Store(path)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store
        nursery.cancel_scope.cancel()


def event_of_zones(kind: str) -> EventPayload:
    """The first event of a job."""
    return EventPayload(
        job_id="j",
        number=1,
        plugin="zones",
        kind=kind,
        message="",
        data=msgspec.Raw(b"null"),
        frame_id="frame-000007",
        index=7,
        timestamp_ms=280.0,
    )


async def test_a_job_that_was_interrupted_and_resumed_ends_twice() -> None:
    """Both ends are posted, and each once, however often a server tells it."""
    async with stored() as store:
        webhooks = Webhooks({"alarm": Webhook(url="http://10.0.0.5/", events=("complete",))}, store)
        audience = webhooks.audience_of(None, Nobody())
        ends: tuple[tuple[EndStatus, int], ...] = (
            ("interrupted", 3),
            ("interrupted", 3),
            ("interrupted", 5),
            ("done", 9),
        )
        for status, frames in ends:
            end = CompletePayload(job_id="j", status=status, frames=frames, duration_ms=1.0, warnings_count=0)
            audience.publish(end)
        await store.change(delivery_table.forget_old())
        found = await store.read(delivery_table.waiting)
    assert [one.kind for one in found] == ["interrupted", "interrupted", "done"]


async def test_an_event_that_comes_out_differently_after_a_kill_is_posted_too() -> None:
    """Its frame was not on disk, and is processed again: what is told then has the same number, and is news."""
    async with stored() as store:
        webhooks = Webhooks({"alarm": Webhook(url="http://10.0.0.5/")}, store)
        audience = webhooks.audience_of(None, Nobody())
        for kind in ("left", "left", "entered"):
            audience.publish(event_of_zones(kind))
        await store.change(delivery_table.forget_old())
        found = await store.read(delivery_table.waiting)
    assert [(one.event, one.kind) for one in found] == [(1, "left"), (1, "entered")]


async def test_what_waits_for_webhooks_that_are_gone_delays_no_start() -> None:
    """All that waits for one is given up in one transaction, meanwhile or, if the disk cannot be written, later."""
    async with stored() as store:
        old = Webhooks({"old": Webhook(url="http://10.0.0.5/", events=("complete",))}, store)
        audience = old.audience_of(None, Nobody())
        for number in range(50):
            end = CompletePayload(job_id=f"j{number}", status="done", frames=1, duration_ms=1.0, warnings_count=0)
            audience.publish(end)
        await store.change(delivery_table.forget_old())
        before = store.statistics().transactions
        async with trio.open_nursery() as nursery:
            await nursery.start(Webhooks({}, store).run)
            with trio.fail_after(PLENTY_S):
                while await store.read(delivery_table.waiting):  # noqa: ASYNC110 - the store has no event for it
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert store.statistics().transactions == before + 1


async def test_an_encrypted_receiver_must_show_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of an authority that the system trusts."""
    authority = Authority(tmp_path)
    message = Message("j/complete", "complete", b"{}")
    with trio.fail_after(PLENTY_S):
        async with receiver(certificate=authority.server) as taken, receiver() as plain:
            refused = await posting.Receiver(taken.webhook()).post(message, 0)
            monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
            accepted = await posting.Receiver(taken.webhook()).post(message, 0)
            spoken = await posting.Receiver(Webhook(url=plain.url.replace("http:", "https:"))).post(message, 0)
            another = await posting.Receiver(Webhook(url=taken.url.replace("127.0.0.1", "127.1"))).post(message, 0)
    assert refused.status is None
    assert refused.said.startswith("its certificate is not trusted")
    assert accepted == Answer("it answered 204 No Content", 204)
    assert [posted.body for posted in taken.posts] == [b"{}"]
    assert spoken == Answer("it does not speak TLS: check the port in url, or begin url with http://")
    assert another == Answer("its certificate is for another host: check the host in url")
