"""Agents as a server tells of them, without any that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import msgspec

from kinora.fleet.agent_state import AgentDevice, AgentLoad, AgentState, DifferingPlugin, LostAgent
from kinora.fleet.figures import FleetFigures

JOB = "0190f2aa-1111-7222-8333-444455556666"
BUSY = AgentState(
    id="north-1",
    name="north",
    kind="joined",
    host="north.example",
    pid=4711,
    status="busy",
    since="2026-11-26T18:00:00.000Z",
    joined_at="2026-11-26T17:00:00.000Z",
    lost_at=None,
    reason="All its places are taken.",
    jobs=(JOB,),
    places=1,
    places_free=0,
    cpus=8.0,
    cpus_free=7.0,
    gpus_free=1.0,
    memory=16 * 2**30,
    devices=(AgentDevice(id="cuda:0", kind="cuda", name="NVIDIA L4", available=True),),
    resources={"licence": 2.0},
    resources_free={"licence": 1.0},
    load=AgentLoad(busy_cpus=3.2, memory=700 * 2**20, workers=3),
    shares_files=False,
    kinora="0.1.0",
    versions={"python": "3.12.3"},
    differing=(DifferingPlugin(name="ocr", reason="It has another version: 0.9 in place of 1.0."),),
    unacknowledged=12,
)
AWAY = msgspec.structs.replace(
    BUSY, id="east-1", name="east", status="away", lost_at="2026-11-26T18:00:05.500Z", load=None
)
LOST = LostAgent(
    id="south-1",
    name="south",
    kind="local",
    host="north.example",
    lost_at="2026-11-26T17:30:00.000Z",
    left=False,
    reason="Its lease ended without a word of it.",
    jobs=(JOB,),
)


@attrs.define
class ToldFleet:
    """A FleetView that tells what it was given."""

    told: Sequence[AgentState] = (BUSY,)
    gone: Sequence[LostAgent] = (LOST,)
    figures: FleetFigures = attrs.field(factory=FleetFigures)

    def __attrs_post_init__(self) -> None:
        """Count something of each agent that is told of first."""
        for agent in self.told:
            count = self.figures.join(agent.name, ())
            count.frames, count.received_bytes, count.sent_bytes, count.refused_events = 100, 5000, 300, 2
        self.figures.lost = len(self.gone)

    def agents(self) -> Sequence[AgentState]:
        """Those told of."""
        return self.told

    def lost(self) -> Sequence[LostAgent]:
        """Those that are gone."""
        return self.gone

    def leases(self) -> Mapping[str, float]:
        """Each has a lease of 4 s."""
        return {agent.id: 4.0 for agent in self.told}
