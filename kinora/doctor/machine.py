"""The kernel, the devices, the limits and the clocks of this machine or container."""

from __future__ import annotations

import os
import resource
import time

from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.plugins.devices import CPU, detect
from kinora.runtime.linux.confinement import gaps, landlock_version
from kinora.runtime.linux.control_groups import cores_limit, memory_limit, tasks_limit
from kinora.runtime.linux.machine import cores, memory_bytes
from kinora.runtime.requirements import try_requirements
from kinora.serve import FILES_PER_JOB, OTHER_FILES
from kinora.settings import Settings
from kinora.settings.fields import MIB
from kinora.web.connection.server import REST_RESERVE

OTHER_TASKS, TASKS_PER_JOB = 64, 256
"""Processes and threads of a server and of a job: a dozen processes, each with a thread or more for each core."""
LEAST_MIB = 1024
"""With less memory a server works, but a plugin with a model hardly does."""
CLOCK_S = 0.1
"""The time over which the clocks are compared."""
CLOCK_READINGS = 20
CLOCK_TOLERANCE_S = 0.02
OLDEST_TIME = 1_767_225_600.0
"""The beginning of 2026: a clock that shows an earlier time has not been set."""


def check_kernel() -> list[Finding]:
    """What Kinora cannot do without, each tried."""
    return [_of_need(need, fault) for need, fault in try_requirements().items()]


def _of_need(need: str, fault: str | None) -> Finding:
    if fault is None:
        return ok("kernel", need)
    return failed("kernel", f"{need}: {fault}", "use Linux 5.3 or later, and a container or sandbox that allows it")


def check_confinement() -> list[Finding]:
    """What programs that decode media are confined by."""
    if found := gaps():
        mend = "use Linux 6.12 or later, and a container whose seccomp profile allows Landlock"
        return [warning("confinement", gap, mend) for gap in found]
    return [ok("confinement", f"Landlock {landlock_version()} and seccomp confine programs that decode media")]


def check_devices() -> list[Finding]:
    """The processors and the GPUs; a machine without a GPU is as good as any."""
    findings = []
    for device in detect():
        if device.available or device.kind == CPU:
            findings.append(ok("devices", f"{device.id}: {device.name}"))
        elif "no NVIDIA driver" in (device.reason or ""):
            findings.append(ok("devices", f"no GPU: {device.reason}"))
        else:
            mend = "look at nvidia-smi, and at CUDA_VISIBLE_DEVICES"
            findings.append(warning("devices", f"{device.id} is not available: {device.reason}", mend))
    return findings


def check_files(settings: Settings) -> list[Finding]:
    """The limit on open files, against what the settings ask for."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + REST_RESERVE + OTHER_FILES + settings.max_jobs * FILES_PER_JOB
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return [ok("open files", f"{wanted:,} are needed at most, {limit:,} are allowed")]
    found = f"{wanted:,} are needed for {settings.max_connections:,} clients, and only {limit:,} are allowed"
    return [warning("open files", found, "raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower max_connections")]


def check_memory(settings: Settings) -> list[Finding]:
    """The memory, and what workers may use of it."""
    available, limit = memory_bytes() // MIB, memory_limit()
    found = f"{available:,} MiB{'' if limit is None else ' by a control group'}, workers may use "
    found += f"{settings.workers_memory_mb:,}"
    if settings.workers_memory_mb > available:
        return [warning("memory", f"{found}: more than there is", "lower workers_memory_mb")]
    if available < LEAST_MIB:
        return [warning("memory", found, "give the machine or container 1 GiB or more")]
    return [ok("memory", found)]


def check_cores(settings: Settings) -> list[Finding]:
    """The processors, and the jobs that share them."""
    limit = cores_limit()
    limited = "" if limit is None else f" by a control group ({limit:g})"
    found = f"{cores()}{limited}, for {settings.max_jobs} jobs at once"
    if limit is not None and limit < 1:
        return [warning("cores", found, "give the container one core or more")]
    return [ok("cores", found)]


def check_tasks(settings: Settings) -> list[Finding]:
    """The limit on processes and threads, against what the jobs of the settings may start."""
    limit, wanted = tasks_limit(), OTHER_TASKS + settings.max_jobs * TASKS_PER_JOB
    if limit is None:
        return [ok("processes", "no control group limits their number")]
    found = f"{limit:,} are allowed, threads included; {settings.max_jobs} jobs may need {wanted:,}"
    if limit < wanted:
        return [warning("processes", found, "raise the limit (--pids-limit, TasksMax=), or lower max_jobs")]
    return [ok("processes", found)]


def check_user() -> list[Finding]:
    """The user account, whose rights plugins have."""
    if os.geteuid() == 0:
        return [warning("user", "root, and plugins have all rights of it", "give Kinora a user account of its own")]
    return [ok("user", f"uid {os.geteuid()}")]


def check_clocks() -> list[Finding]:
    """The wall clock has been set, and keeps pace with the one that never goes back."""
    before = _wall_ahead()
    time.sleep(CLOCK_S)
    moved, now = _wall_ahead() - before, time.time()
    if now < OLDEST_TIME:
        return [warning("clocks", f"it is {time.ctime(now)} here", "set the clock, as by NTP")]
    if abs(moved) > CLOCK_TOLERANCE_S:
        found = f"the wall clock was moved by {moved * 1000:.0f} ms within {CLOCK_S * 1000:.0f} ms"
        return [warning("clocks", found, "see what sets the clock")]
    return [ok("clocks", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC, at a steady pace")]


def _wall_ahead() -> float:
    """The seconds by which the wall clock is ahead of the steady one, from the closest of a few pairs of readings."""
    readings = []
    for _ in range(CLOCK_READINGS):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        readings.append((after - before, wall - before))
    return min(readings)[1]
