"""What the clients ordered and saw."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from benchmarks.chaos.final import COUNT, DIGEST
from kinora.client import Message


@attrs.define
class Order:
    """One submission, however often it is sent. Its label stands in the plugins' options, so its jobs can be found."""

    label: str
    source: str
    """The file's name, or a URL."""
    uploaded: bool = False
    key: str | None = None
    job_ids: set[str] = attrs.field(factory=set)
    """The jobs that the server has acknowledged: one, if all is well."""

    @property
    def request(self) -> dict[str, Any]:
        """The JSON of the request."""
        plugins = [{"name": name, "options": {"label": self.label}} for name in (DIGEST, COUNT)]
        return {"plugins": plugins} if self.uploaded else {"source": self.source, "plugins": plugins}


@attrs.define
class Book:
    """What all clients saw."""

    orders: list[Order] = attrs.field(factory=list)
    refusals: Counter[str] = attrs.field(factory=Counter)
    life: int = 0
    """The number of restarts of the server that the feed has told of."""
    completes: Counter[tuple[int, str]] = attrs.field(factory=Counter)
    """Life and job → number of ``complete``."""
    progress: dict[tuple[int, str], tuple[int, str]] = attrs.field(factory=dict)
    """The same → the highest progress, and the id of its message."""
    resumed: Counter[str] = attrs.field(factory=Counter)
    """Job → the number of times that it was interrupted and taken up."""
    messages: int = 0
    connections: int = 0
    reads: int = 0
    complaints: list[str] = attrs.field(factory=list)
    fault: str = "no fault"
    """The newest fault, for complaints."""

    def complain(self, wrong: str) -> None:
        """Write down something that must not be."""
        self.complaints.append(f"{wrong}; newest fault: {self.fault}")

    @property
    def acknowledged(self) -> dict[str, Order]:
        """Job → its order."""
        return {job_id: order for order in self.orders for job_id in order.job_ids}

    def order(self, source: str, *, uploaded: bool = False, keyed: bool = False) -> Order:
        """Write down a new order."""
        label = f"order-{len(self.orders)}"
        order = Order(label, source, uploaded, f"key-{label}" if keyed else None)
        self.orders.append(order)
        return order

    def hear(self, message: Message) -> None:
        """Write down a message of the feed."""
        self.messages += 1
        job_id = message.payload.get("job_id")
        life = (self.life, str(job_id))
        if message.type == "gap" and message.payload["reason"] == "restarted":
            self.life += 1
        elif message.type == "complete":
            self.completes[life] += 1
        elif message.type == "progress" and (progress := message.payload["progress"]) is not None:
            seen = (progress, message.id)
            if seen[0] < (highest := self.progress.get(life, seen))[0]:
                self.complain(f"job {job_id}: progress fell on the feed from {highest} to {seen}, expected it to grow")
            self.progress[life] = max(highest, seen)
