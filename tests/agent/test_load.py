"""How busy an agent is."""

from kinora.agent.load import LoadMeter
from kinora.runtime.forking.worker_usage import ProcessUsage
from kinora.runtime.forking.workers import ForkServer


def test_the_load_is_of_the_time_since_the_last_measurement() -> None:
    """The first one has no time before it; one that follows at once, as after a stop, counts for nothing."""
    meter = LoadMeter(ForkServer())
    figures = []
    for now, cpu_s in ((100.0, 7.0), (101.0, 8.5), (101.01, 9.5), (103.0, 9.5)):
        meter.note(now, [ProcessUsage(processes=1, memory_bytes=5, cpu_s=cpu_s), ProcessUsage(memory_bytes=2)])
        figures.append((meter.load.busy_cpus, meter.load.memory))
    assert figures == [(0.0, 7), (1.5, 7), (1.5, 7), (0.5, 7)]
