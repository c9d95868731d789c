"""The animals of the zoo: plugins that misbehave, each with the outcome that is expected."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from textwrap import dedent, indent

import attrs

from kinora.actors.messages import Health

FROM_THE_FIFTH_ON = range(5, 1_000_000)


class Where(enum.StrEnum):
    """The part of its life in which a plugin misbehaves."""

    IMPORT = "import"
    PREPARE = "prepare"
    FRAME = "process_frame"
    FINALIZE = "finalize"
    SAVE = "save_state"
    LOAD = "load_state"
    """After its process has died once, at the first of its frames."""


class Fate(enum.StrEnum):
    """The code of the warning that its misbehaviour must lead to."""

    RAISES = "PLUGIN_ERROR"
    DIES = "PLUGIN_CRASH"
    HANGS = "PLUGIN_TIMEOUT"
    SWELLS = "PLUGIN_MEMORY"
    TALKS_RUBBISH = "PLUGIN_BAD_RESULT"
    IS_SLOW = "PLUGIN_SLOW"
    UNHARMED = ""
    """It harms nobody, and leads to no warning."""


METHODS = (Where.PREPARE, Where.FRAME, Where.FINALIZE)
RESULTS = (Where.FRAME, Where.FINALIZE)


@attrs.frozen(kw_only=True)
class Animal:
    """One way to misbehave."""

    does: str
    """Its misbehaviour, in words that continue a sentence after "it"."""
    code: str
    """The body of a function of ``frame``, which is None outside ``process_frame``, and ``context``."""
    fate: Fate
    where: Sequence[Where] = METHODS
    loses_results: bool = True
    """True if it has no result for a frame on which it misbehaves."""
    given_up: bool = True
    """True if it is disabled in the end when it does this before ``finalize``."""
    metadata: str = ""
    """Further arguments of its PluginMetadata."""
    strikes: range = FROM_THE_FIFTH_ON
    """The frames on which it misbehaves, if it does so on frames."""
    warns: bool = False
    """True if it sends warnings of its own before its misbehaviour is noticed."""
    repeats: bool = True
    """True if its warnings have the same text each time."""
    source: str = "clip.mp4"

    def __str__(self) -> str:
        return self.does

    def codes(self, where: Where) -> list[str]:
        """The codes of its warnings, each once, in their order."""
        codes = ["PLUGIN_WARNING"] * self.warns + [self.fate] * bool(self.fate)
        if where is Where.LOAD:
            codes = [*dict.fromkeys(["PLUGIN_CRASH", *codes])]
        return [*codes, "PLUGIN_DISABLED"] if self.is_disabled(where) else codes

    def is_disabled(self, where: Where) -> bool:
        """True if the job disables it in the end."""
        fails = self.fate in {Fate.RAISES, Fate.DIES, Fate.HANGS, Fate.SWELLS}
        return fails and self.given_up and where is not Where.FINALIZE

    def health(self, where: Where, frames: int) -> Health:
        """What is said of its health in the end, of a source with so many frames."""
        if self.is_disabled(where):
            return "failed"
        harmed = self.fate is not Fate.UNHARMED
        last_went_wrong = where is Where.FINALIZE or (where is Where.FRAME and frames - 1 in self.strikes)
        return "degraded" if self.fate is Fate.IS_SLOW or (harmed and last_went_wrong) else "ok"

    def frames_lost(self, where: Where, frames: int) -> set[int]:
        """The indexes without a result of it, of a source with so many frames."""
        if where is Where.LOAD:
            return {self.strikes[0]}
        if where in {Where.FRAME, Where.SAVE}:
            return {index for index in range(frames) if index in self.strikes} if self.loses_results else set()
        return set(range(frames)) if self.is_disabled(where) else set()

    def module(self, name: str, where: Where) -> str:
        """The source text of the plugin. On import it does nothing before the file ``<its path>.loose`` is there."""
        return MODULE.format(
            name=name,
            body=indent(dedent(self.code).strip(), "    "),
            metadata=self.metadata,
            where=where,
            strikes=self.strikes,
        )


MODULE = """
import atexit, ctypes, os, resource, signal, socket, subprocess, sys, threading, time
from pathlib import Path

import numpy as np
from kinora.plugins import Frame, Plugin, PluginMetadata


def misbehave(frame, context):
{body}


class Animal(Plugin):
    metadata = PluginMetadata(name="{name}", {metadata})

    def prepare(self, context):
        self.context = context
        if "{where}" == "prepare":
            misbehave(None, context)

    def process_frame(self, frame):
        self.index = frame.index
        if "{where}" == "load_state" and frame.index == {strikes}[0]:
            os._exit(0)
        if "{where}" == "process_frame" and frame.index in {strikes}:
            return misbehave(frame, self.context)
        return {{"index": frame.index}}

    def process_batch(self, frames):
        return [self.process_frame(frame) for frame in frames]

    def finalize(self):
        return misbehave(None, self.context) if "{where}" == "finalize" else None

    if "{where}" in ("save_state", "load_state"):

        def save_state(self):
            return misbehave(None, self.context) if "{where}" == "save_state" and self.index in {strikes} else b"state"

        def load_state(self, data):
            assert data == b"state"
            if "{where}" == "load_state":
                misbehave(None, self.context)


if "{where}" == "import" and Path(__file__ + ".loose").exists():
    misbehave(None, None)
"""

RAISING = (
    Animal(
        does="raises an Exception",
        code='raise ValueError("no good")',
        fate=Fate.RAISES,
        where=(Where.IMPORT, *METHODS),
    ),
    Animal(
        does="raises a BaseException",
        code="""
        class Odd(BaseException): ...
        raise Odd("no good")
        """,
        fate=Fate.RAISES,
    ),
    Animal(does="raises SystemExit, by sys.exit()", code="sys.exit(3)", fate=Fate.RAISES),
    Animal(does="raises KeyboardInterrupt", code="raise KeyboardInterrupt", fate=Fate.RAISES),
    Animal(
        does="calls itself until there is a RecursionError",
        code="misbehave(frame, context)",
        fate=Fate.RAISES,
    ),
    Animal(
        does="raises an exception that cannot be pickled",
        code="""
        class Stuck(Exception):
            def __init__(self, needed, also_needed):
                super().__init__("stuck")
                self.held = threading.Lock(), lambda: 0
        raise Stuck(1, 2)
        """,
        fate=Fate.RAISES,
    ),
    Animal(
        does="raises an exception whose __str__ raises",
        code="""
        class Mute(Exception):
            def __str__(self):
                raise SystemExit("not even that")
            __repr__ = __str__
        raise Mute
        """,
        fate=Fate.RAISES,
    ),
    Animal(
        does="raises an error with a new text each time",
        code="raise ValueError(str(time.perf_counter_ns()))",
        fate=Fate.RAISES,
        repeats=False,
    ),
    Animal(
        does="asks for 16 GB at once",
        code="np.ones(2**34, np.uint8)",
        fate=Fate.RAISES,
        metadata="memory_limit_mb=300",
    ),
    Animal(does="writes to the frame", code="frame.image[:] = 0", fate=Fate.RAISES, where=(Where.FRAME,)),
)

DYING = (
    Animal(does="ends its process by os._exit(0)", code="os._exit(0)", fate=Fate.DIES, where=(Where.IMPORT, *METHODS)),
    Animal(does="reads from address 0 (SIGSEGV)", code="ctypes.string_at(0)", fate=Fate.DIES),
    Animal(does="calls abort() (SIGABRT)", code="os.abort()", fate=Fate.DIES),
    Animal(does="sends itself SIGKILL", code="os.kill(os.getpid(), signal.SIGKILL)", fate=Fate.DIES),
    Animal(does="kills its process group", code="os.killpg(0, signal.SIGKILL)", fate=Fate.DIES),
    Animal(does="closes all its file descriptors", code="os.closerange(0, 65536)", fate=Fate.DIES),
    Animal(
        does="writes rubbish into its channel to the server",
        code="""
        for fd in range(3, 64):
            try:
                os.write(fd, b"\\x00\\xff rubbish" * 500)
            except OSError:
                pass
        """,
        fate=Fate.DIES,
    ),
    Animal(
        does="closes its channel to the server, and hangs",
        code="""
        os.close(3)
        time.sleep(1e9)
        """,
        fate=Fate.DIES,
    ),
    Animal(
        does="sends the server a forged message",
        code="""
        import msgspec
        answer = {"op": "raised", "message": "x" * 10**6, "traceback": "", "run_ms": -1.0}
        data = msgspec.msgpack.encode(answer)
        for start in range(0, len(data), 65535):
            part = data[start : start + 65535]
            os.write(3, (b"\\1" if start + 65535 < len(data) else b"\\0") + part)
        """,
        fate=Fate.DIES,
    ),
    Animal(
        does="writes to the frame's memory behind numpy's back",
        code="ctypes.memset(frame.image.ctypes.data, 0, frame.image.nbytes)",
        fate=Fate.DIES,
        where=(Where.FRAME,),
    ),
)

HANGING = (
    Animal(does="loops for ever in Python", code="while True: pass", fate=Fate.HANGS),
    Animal(does="sleeps for ever", code="time.sleep(1e9)", fate=Fate.HANGS, where=(Where.IMPORT, *METHODS)),
    Animal(does="hangs in native code that keeps the GIL", code="ctypes.PyDLL(None).sleep(10**6)", fate=Fate.HANGS),
    Animal(
        does="ignores SIGTERM and hangs in native code that keeps the GIL",
        code="""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.PyDLL(None).sleep(10**6)
        """,
        fate=Fate.HANGS,
    ),
    Animal(
        does="stops itself (SIGSTOP)", code="os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(1e9)", fate=Fate.HANGS
    ),
    Animal(
        does="sends the server warnings and results without end",
        code="""
        while True:
            context.warn("again")
            context.partial({"number": time.perf_counter_ns()})
        """,
        fate=Fate.HANGS,
        warns=True,
    ),
    Animal(
        does="sends the server events without end",
        code="""
        while True:
            context.event("again", data="x" * 10_000)
        """,
        fate=Fate.HANGS,
        where=(Where.FRAME,),
        warns=True,
    ),
    Animal(
        does="waits for children that hang",
        code="""
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                ctypes.PyDLL(None).sleep(10**6)
        os.wait()
        """,
        fate=Fate.HANGS,
    ),
)

SWELLING = (
    Animal(
        does="grows without end",
        code="""
        hoard = []
        while True:
            hoard.append(np.ones(2**22, np.uint8))
            time.sleep(0.01)
        """,
        fate=Fate.SWELLS,
        metadata="memory_limit_mb=300",
    ),
    Animal(
        does="has children that grow without end",
        code="""
        for _ in range(3):
            if os.fork() == 0:
                hoard = []
                while True:
                    hoard.append(np.ones(2**22, np.uint8))
                    time.sleep(0.01)
        os.wait()
        """,
        fate=Fate.SWELLS,
        metadata="memory_limit_mb=300",
    ),
)

RUBBISH = (
    Animal(does="gives a string", code='return "cat"', fate=Fate.TALKS_RUBBISH, where=RESULTS),
    Animal(
        does="gives NaN and infinity",
        code='return {"a": float("nan"), "b": np.inf}',
        fate=Fate.TALKS_RUBBISH,
        where=RESULTS,
        loses_results=False,
    ),
    Animal(
        does="gives 100 MB",
        code='return {"text": "x" * 10**8}',
        fate=Fate.TALKS_RUBBISH,
        where=RESULTS,
        strikes=range(5, 8),
    ),
    Animal(
        does="gives events that are none",
        code='return {"events": [3, {"kind": ""}, {"data": object()}]}',
        fate=Fate.TALKS_RUBBISH,
        where=(Where.FRAME,),
        loses_results=False,
    ),
    Animal(
        does="gives an object that cannot be encoded",
        code='return {"a": object()}',
        fate=Fate.TALKS_RUBBISH,
        where=RESULTS,
        loses_results=False,
    ),
    Animal(
        does="gives a dict that contains itself",
        code="""
        loop = {}
        loop["loop"] = loop
        return loop
        """,
        fate=Fate.TALKS_RUBBISH,
        where=RESULTS,
    ),
    Animal(
        does="gives a dict whose methods raise",
        code="""
        class Booby(dict):
            def items(self):
                raise SystemExit("boo")
        return Booby(a=1)
        """,
        fate=Fate.RAISES,
        where=RESULTS,
    ),
)

VANDALS = (
    Animal(does="gives None", code="return None", fate=Fate.UNHARMED, where=RESULTS),
    Animal(
        does="prints megabytes to stdout and stderr",
        code="""
        for _ in range(20):
            print("x" * 100_000)
            print("y" * 100_000, file=sys.stderr)
            os.write(1, b"\\xff" * 100_000)
        """,
        fate=Fate.UNHARMED,
        strikes=range(5, 8),
    ),
    Animal(
        does="forks children that should outlive it",
        code="""
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.fork() == 0:
                    time.sleep(1e9)
                os._exit(0)
        """,
        fate=Fate.UNHARMED,
        strikes=range(5, 6),
    ),
    Animal(
        does="forks, and both processes go on",
        code="os.fork()",
        fate=Fate.UNHARMED,
        strikes=range(5, 6),
    ),
    Animal(
        does="starts threads that never end, and an exit handler that hangs",
        code="""
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(1e9,)).start()
        atexit.register(time.sleep, 1e9)
        """,
        fate=Fate.UNHARMED,
        strikes=range(5, 6),
    ),
    Animal(
        does="changes its directory, environment, signal handlers, limits and sys.modules",
        code="""
        os.chdir("/")
        os.environ.clear()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        sys.modules.clear()
        sys.path.clear()
        sys.setrecursionlimit(60)
        """,
        fate=Fate.UNHARMED,
    ),
)

MOODY = (
    Animal(
        does="raises once, and works again",
        code='raise ValueError("just this once")',
        fate=Fate.RAISES,
        where=(Where.FRAME,),
        strikes=range(5, 6),
        given_up=False,
    ),
    Animal(
        does="dies once, and works again",
        code="os._exit(1)",
        fate=Fate.DIES,
        where=(Where.FRAME,),
        strikes=range(5, 6),
        given_up=False,
    ),
    Animal(
        does="fails to prepare once, and works again",
        code="""
        tried = Path(__file__ + ".tried")
        if not tried.exists():
            tried.touch()
            raise OSError("just this once")
        tried.unlink()
        """,
        fate=Fate.RAISES,
        where=(Where.PREPARE,),
        given_up=False,
    ),
    Animal(
        does="crashes at frame 1,000, after it has worked well",
        code="ctypes.string_at(0)",
        fate=Fate.DIES,
        where=(Where.FRAME,),
        strikes=range(1000, 1001),
        given_up=False,
        source="long.mp4",
    ),
    Animal(
        does="takes 100 times its latency budget",
        code="time.sleep(0.1)\nreturn {}",
        fate=Fate.IS_SLOW,
        where=(Where.FRAME,),
        strikes=range(5, 8),
        metadata="latency_budget_ms=1",
        loses_results=False,
        given_up=False,
    ),
)

FORGETFUL = (
    Animal(
        does="raises an Exception",
        code='raise ValueError("no good")',
        fate=Fate.RAISES,
        where=(Where.SAVE,),
        given_up=False,
        loses_results=False,
    ),
    Animal(
        does="gives a string",
        code='return "state"',
        fate=Fate.TALKS_RUBBISH,
        where=(Where.SAVE,),
        loses_results=False,
    ),
    Animal(
        does="gives 100 MB",
        code="return bytes(100_000_000)",
        fate=Fate.TALKS_RUBBISH,
        where=(Where.SAVE,),
        loses_results=False,
    ),
    Animal(does="ends its process by os._exit(0)", code="os._exit(0)", fate=Fate.DIES, where=(Where.SAVE,)),
    Animal(does="sleeps for ever", code="time.sleep(1000)", fate=Fate.HANGS, where=(Where.SAVE,)),
    Animal(does="refuses its own state", code='raise ValueError("no good")', fate=Fate.UNHARMED, where=(Where.LOAD,)),
    Animal(
        does="ends its process by os._exit(0)", code="os._exit(0)", fate=Fate.DIES, where=(Where.LOAD,), given_up=False
    ),
    Animal(does="sleeps for ever", code="time.sleep(1000)", fate=Fate.HANGS, where=(Where.LOAD,), given_up=False),
)
BATCHING = tuple(
    Animal(
        does=f"{does} on one frame of a batch",
        code=code,
        fate=fate,
        where=(Where.FRAME,),
        metadata="max_batch=8, batch_wait_ms=500",
        strikes=range(11, 12),
        given_up=False,
    )
    for does, code, fate in (
        ("raises", 'raise ValueError("no good")', Fate.RAISES),
        ("ends its process", "os._exit(0)", Fate.DIES),
        ("hangs", "ctypes.PyDLL(None).sleep(10**6)", Fate.HANGS),
    )
)
"""They take eight frames at once, and each frame that waits with the bad one keeps its result."""

FAMILIES = {
    "raise": RAISING,
    "die": DYING,
    "hang": HANGING,
    "use too much memory": SWELLING,
    "give bad results": RUBBISH,
    "vandalise": VANDALS,
    "fail now and then": MOODY,
    "fail to remember": FORGETFUL,
    "fail in a batch": BATCHING,
}
"""Kind of misbehaviour → the animals that show it."""
