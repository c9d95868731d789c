"""Real plugins in real worker processes, and the answers that come back."""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
import pytest
import trio

from kinora.plugins import protocol
from kinora.plugins.protocol import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS
from kinora.runtime.forking.program import encode
from kinora.runtime.forking.workers import ForkServer, Worker, WorkerGone
from kinora.runtime.shared_memory.frames import FrameRing, RingWriter
from kinora.runtime.shared_memory.state_memory import StateMemory, hold_state, read_state

HEIGHT, WIDTH = 4, 6
HEAD = """
import os, sys
from kinora.plugins import Frame, Plugin, PluginMetadata, tool
"""


@pytest.fixture(scope="module")
def source() -> str:
    """A plugin that does what its options tell it to."""
    return (
        HEAD
        + """
import numpy as np

class Obedient(Plugin):
    metadata = PluginMetadata(name="obedient")

    def prepare(self, context):
        self.context = context
        exec(context.options.get("prepare", ""), {"self": self, "context": context, "np": np})

    def process_frame(self, frame):
        scope = {"self": self, "context": self.context, "frame": frame, "np": np, "os": os, "sys": sys}
        exec(self.context.options.get("process", ""), scope)
        return scope.get("result")

    def finalize(self):
        scope = {"self": self}
        exec(self.context.options.get("finalize", ""), scope)
        return scope.get("result")
"""
    )


@attrs.frozen(eq=False)
class Bench:
    """A fork server, a ring with one picture of ones in slot 1, and a folder for plugins."""

    forks: ForkServer
    ring: FrameRing
    picture: Any
    folder: Path

    async def worker(self) -> Worker:
        """A fresh plugin worker."""
        return await self.forks.fork("kinora.plugins.worker:main", "plugin")

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    async def inspect(self, path: Path, attribute: str = "") -> protocol.Plugins | protocol.Raised:
        """The answer of a fresh worker that has inspected a file."""
        worker = await self.worker()
        origin = protocol.Origin(kind="file", location=str(path), attribute=attribute)
        answer, notes = await ask(worker, protocol.Inspect(origin=origin))
        assert not notes
        assert isinstance(answer, protocol.Plugins | protocol.Raised)
        assert await worker.stop(5)
        return answer

    async def prepare(
        self, path: Path, attribute: str, options: Mapping[str, Any] | None = None
    ) -> tuple[Worker, protocol.Answer, list[protocol.Note]]:
        """A worker that has prepared a plugin, and its answer."""
        worker = await self.worker()
        request = protocol.Prepare(
            origin=protocol.Origin(kind="file", location=str(path), attribute=attribute),
            options=json.dumps(options or {}).encode(),
            device="cpu",
            models_dir="/",
            ring=protocol.UseRing(slots=self.ring.slots, slot_bytes=self.ring.slot_bytes),
            threads=1,
            address_space=None,
        )
        answer, notes = await ask(worker, request, [self.ring.fd])
        return worker, answer, notes

    async def processed(self, source: str, code: str, **options: str) -> tuple[protocol.Answer, list[protocol.Note]]:
        """The answer of the obedient plugin to one frame."""
        path = self.write("obedient.py", source)
        worker, answer, _ = await self.prepare(path, "Obedient", {"process": code, **options})
        assert isinstance(answer, protocol.Done)
        answer, notes = await ask(worker, frame())
        assert await worker.stop(5)
        return answer, notes


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """See Bench."""
    ring = FrameRing(2, HEIGHT * WIDTH * 3)
    writer = RingWriter(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    ring.seal()
    picture = writer.view(1, HEIGHT, WIDTH)
    picture[:] = 1
    async with trio.open_nursery() as nursery:
        forks = ForkServer(["numpy", "kinora.plugins.worker"])
        await nursery.start(forks.run)
        yield Bench(forks, ring, picture, tmp_path)
        nursery.cancel_scope.cancel()
    ring.close()


def frame(index: int = 0, results: Mapping[str, Any] | None = None) -> protocol.Process:
    """A request for the picture in slot 1."""
    told = {name: json.dumps(result).encode() for name, result in (results or {}).items()}
    return protocol.Process(slot=1, index=index, timestamp_ms=40.0 * index, width=WIDTH, height=HEIGHT, results=told)


async def ask(
    worker: Worker, request: protocol.Request, fds: Sequence[int] = ()
) -> tuple[protocol.Answer, list[protocol.Note]]:
    """The answer, and the notes that came before it."""
    notes: list[protocol.Note] = []
    with trio.fail_after(20):
        await worker.send(encode(request), fds)
        while True:
            match protocol.PLUGIN.decode_answer(await worker.receive()):
                case protocol.Warned() | protocol.Partial() | protocol.Unsaved() | protocol.Event() as note:
                    notes.append(note)
                case answer:
                    return answer, notes


def result_of(answer: protocol.Answer) -> Any:
    """A result as its reader gets it."""
    assert isinstance(answer, protocol.Done)
    assert answer.result is not None
    return json.loads(answer.result)


def names_of(answer: protocol.Answer) -> dict[str, str]:
    """Attribute → the plugin's name, for all plugins found."""
    assert isinstance(answer, protocol.Plugins), answer
    return {found.attribute: json.loads(found.metadata)["name"] for found in answer.plugins}


async def test_a_plugin_lives_from_prepare_to_finalize(bench: Bench) -> None:
    """Frames arrive as sent, results and notes come back, and the worker ends by itself when asked."""
    path = bench.write(
        "life.py",
        HEAD
        + """
class Life(Plugin):
    metadata = PluginMetadata(name="life")

    def prepare(self, context):
        self.context, self.seen = context, []
        context.warn(f"on {context.device}", "high")

    def process_frame(self, frame):
        self.seen.append(frame.index)
        self.context.partial({"seen": self.seen})
        self.context.warn(f"frame {frame.index}")
        image = frame.image
        return {"sum": image.sum(), "shape": image.shape, "kind": str(image.dtype), "at": frame.timestamp_ms,
                "before": dict(frame.results), "threshold": self.context.options["threshold"]}

    def finalize(self):
        return {"total": len(self.seen)}
""",
    )
    worker, answer, notes = await bench.prepare(path, "Life", {"threshold": 0.5})
    assert isinstance(answer, protocol.Done)
    assert answer.result is None
    assert notes == [protocol.Warned(message="on cpu", severity="high")]
    for index in range(3):
        bench.picture[:] = index + 1
        answer, notes = await ask(worker, frame(index, {"motion": {"score": index}}))
        assert result_of(answer) == {
            "sum": HEIGHT * WIDTH * 3 * (index + 1),
            "shape": [HEIGHT, WIDTH, 3],
            "kind": "uint8",
            "at": 40.0 * index,
            "before": {"motion": {"score": index}},
            "threshold": 0.5,
        }
        assert isinstance(answer, protocol.Done)
        assert answer.fault is None
        assert 0 < answer.run_ms < 5000
        assert isinstance(notes[0], protocol.Partial)
        assert json.loads(notes[0].result) == {"seen": list(range(index + 1))}
        assert notes[1] == protocol.Warned(message=f"frame {index}", severity="low")
    answer, _ = await ask(worker, protocol.Finalize())
    assert result_of(answer) == {"total": 3}
    assert await worker.stop(5)
    assert worker.status == 0


async def test_a_plugin_reports_events(bench: Bench, source: str) -> None:
    """Wherever it is at work; those in a frame's result come with it, and what cannot be told is left out."""
    path = bench.write("obedient.py", source)
    prepare = "context.event('ready')"
    process = (
        "self.context.event('fall', 'Somebody fell.', {'height': np.float32(1.5), 'at': np.arange(2)})\n"
        "self.context.event('big', data='x' * 20_000)\n"
        "result = {'events': [{'kind': 'crossed', 'message': None, 'data': [1]}, {'kind': ''}, 3]}"
    )
    worker, _, notes = await bench.prepare(path, "Obedient", {"prepare": prepare, "process": process})
    assert notes == [protocol.Event(kind="ready")]
    answer, notes = await ask(worker, frame())
    assert isinstance(answer, protocol.Done)
    fall, big, left_out = notes
    assert fall == protocol.Event(kind="fall", message="Somebody fell.", data=b'{"height":1.5,"at":[0,1]}')
    assert big == protocol.Event(kind="big")
    assert isinstance(left_out, protocol.Warned)
    assert "20002 bytes" in left_out.message
    assert answer.events == (protocol.Event(kind="crossed", data=b"[1]"),)
    assert answer.fault is not None
    assert answer.fault.startswith("the kind of an event must be text of 1 to 64 characters")
    assert result_of(answer)["events"][0]["kind"] == "crossed"
    assert await worker.stop(5)


async def test_a_frame_has_a_bounded_number_of_events(bench: Bench, source: str) -> None:
    """The rest is left out, with one warning; the next frame may have as many again. A bad kind is a mistake."""
    path = bench.write("obedient.py", source)
    process = "for n in range(300): self.context.event('tick', data=n)\nresult = {'events': [{'kind': 'tock'}] * 200}"
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": process})
    for index in range(2):
        answer, notes = await ask(worker, frame(index))
        assert [note.data for note in notes if isinstance(note, protocol.Event)] == [b"%d" % n for n in range(100)]
        assert sum(isinstance(note, protocol.Warned) for note in notes) == 1
        assert isinstance(answer, protocol.Done)
        assert len(answer.events) == protocol.MAX_EVENTS
        assert answer.fault is not None
    assert await worker.stop(5)
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": "self.context.event('k' * 65)"})
    answer, _ = await ask(worker, frame())
    assert isinstance(answer, protocol.Raised)
    assert answer.message.startswith("ValueError: the kind of an event must be text of 1 to 64 characters")
    assert await worker.stop(5)


async def test_a_plain_function_is_a_plugin(bench: Bench) -> None:
    """@tool makes one, with the function's name as attribute and its docstring as description."""
    path = bench.write(
        "plain.py",
        HEAD
        + """
@tool("brightness", version="2.0")
def mean(frame):
    "How bright."
    return {"v": frame.image.mean()}
""",
    )
    found = await bench.inspect(path)
    assert isinstance(found, protocol.Plugins)
    metadata = json.loads(found.plugins[0].metadata)
    assert (metadata["name"], metadata["version"], metadata["description"]) == ("brightness", "2.0", "How bright.")
    worker, _, _ = await bench.prepare(path, found.plugins[0].attribute)
    answer, _ = await ask(worker, frame())
    assert result_of(answer) == {"v": 1.0}
    assert await worker.stop(5)


async def test_inspection_finds_what_a_file_defines_and_no_more(bench: Bench) -> None:
    """Private classes, imported plugins and a second name for the same class are left out."""
    bench.write("neighbour.py", HEAD + "@tool('other')\ndef other(frame): ...\n")
    path = bench.write(
        "several.py",
        HEAD
        + """
from neighbour import other
class _Base(Plugin):
    def process_frame(self, frame): return {}
class One(_Base):
    metadata = PluginMetadata(name="one")
Alias = One
class Two(_Base):
    metadata = PluginMetadata(name="two")
_hidden = tool("hidden")(lambda frame: None)
number = 3
""",
    )
    assert names_of(await bench.inspect(path)) == {"One": "one", "Two": "two"}
    assert names_of(await bench.inspect(path, "Two")) == {"Two": "two"}
    assert names_of(await bench.inspect(path, "other")) == {"other": "other"}


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("kit", "from .parts import Part"),
        ("kit", "from kit.parts import Part"),
        ("kit", "from kit import parts; Part = parts.Part"),
        ("json", "from .parts import Part"),
    ],
)
async def test_a_folder_is_a_plugin_package(bench: Bench, folder: str, line: str) -> None:
    """Its re-exports from below itself are its own, also if an installed module has the folder's name."""
    bench.write(
        f"{folder}/parts.py",
        HEAD
        + """
class Part(Plugin):
    metadata = PluginMetadata(name="part")
    def process_frame(self, frame): return {"n": 1}
""",
    )
    package = bench.write(f"{folder}/__init__.py", line).parent
    assert names_of(await bench.inspect(package)) == {"Part": "part"}
    worker, answer, _ = await bench.prepare(package, "Part")
    assert isinstance(answer, protocol.Done)
    answer, _ = await ask(worker, frame())
    assert result_of(answer) == {"n": 1}
    assert await worker.stop(5)


async def test_a_builtin_module_is_found_by_its_name(bench: Bench) -> None:
    """An origin that is not a file is imported from where Python finds it."""
    worker = await bench.worker()
    origin = protocol.Origin(kind="entry_point", location="kinora.plugins.api", attribute="Plugin")
    answer, _ = await ask(worker, protocol.Inspect(origin=origin))
    assert isinstance(answer, protocol.Raised)
    assert "Plugin has no metadata" in answer.message
    assert await worker.stop(5)


WRONG = [
    ("x = 1", "defines no plugin: add a class"),
    ("class A(Plugin):\n  def process_frame(self, frame): ...", "A has no metadata: add"),
    ("class A(Plugin):\n  metadata = {'name': 'a'}\n  def process_frame(self, frame): ...", "A has no metadata"),
    ("class A(Plugin):\n  metadata = PluginMetadata(name='a')", "A does not define process_frame"),
    ("class A(Plugin):\n  metadata = PluginMetadata(title='a')", "unexpected keyword argument 'title'"),
    (
        "class A(Plugin):\n  metadata = PluginMetadata(name='a')\n  async def process_frame(self, frame): ...",
        "A.process_frame is async: write def",
    ),
    ("@tool('a')\nasync def a(frame): ...", "a.process_frame is async: write def"),
    ("@tool('a')\ndef a(frame): yield {}", "a.process_frame has a yield in it: return one result"),
    (
        (
            "class A(Plugin):\n  metadata = PluginMetadata(name='a')\n  def process_frame(self, frame): ...\n"
            "  async def finalize(self): ..."
        ),
        "A.finalize is async",
    ),
    ("@tool('a', max_batch=8)\ndef a(frame): ...", "a has max_batch=8 and does not define process_batch(self, frames)"),
    (
        "class A(Plugin):\n  metadata = PluginMetadata(name='a')\n  def process_batch(self, frames): ...",
        "A defines process_batch alone: set max_batch",
    ),
    (
        "class A(Plugin):\n  metadata = PluginMetadata(name='a', max_batch=2)\n  def process_batch(s, f): yield",
        "A.process_batch has a yield in it",
    ),
    ("def f(:", "SyntaxError"),
    ("import no_such_module", "No module named 'no_such_module'"),
    ("sys.exit('bye')", "SystemExit: bye"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise BaseException('base')", "BaseException: base"),
    ("raise EOFError", "EOFError"),
    ("tool('a', config_schema={'x': 1j})(lambda frame: None)", "defines no plugin"),
    ("@tool('a', config_schema={'x': 1j})\ndef a(frame): ...", "config_schema.x has type complex"),
    ("@tool('a', version=object())\ndef a(frame): ...", "version has type object"),
    ("loop = {}\nloop['x'] = loop\n@tool('a', config_schema=loop)\ndef a(frame): ...", "too deeply"),
    (
        "class M(type):\n  def __getattribute__(c, n): raise OSError('no')\nclass A(Plugin, metaclass=M): ...",
        "OSError: no",
    ),
]


async def test_a_base_class_takes_no_plugin_along(bench: Bench) -> None:
    """Nor does a class that cannot be used: what is wrong with it is said beside the plugins that can."""
    path = bench.write(
        "family.py",
        HEAD
        + """
class Base(Plugin):
    def process_frame(self, frame): return {}
class One(Base):
    metadata = PluginMetadata(name="one")
class Two(One):
    metadata = PluginMetadata(name="two")
class Forgotten(Plugin):
    def process_frame(self, frame): return {}
class Awaited(Plugin):
    metadata = PluginMetadata(name="awaited")
    async def process_frame(self, frame): return {}
""",
    )
    answer = await bench.inspect(path)
    assert names_of(answer) == {"One": "one", "Two": "two"}
    assert isinstance(answer, protocol.Plugins)
    forgotten, awaited = answer.faults
    assert "Forgotten has no metadata" in forgotten
    assert "Awaited.process_frame is async" in awaited


async def test_a_module_that_reads_arguments_finds_none(bench: Bench) -> None:
    """Its own path is the program's name, as if it were run; what is under __main__ is not."""
    text = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--weights", default="best.pt")
arguments = parser.parse_args()
@tool(arguments.weights[:4])
def best(frame): return {"argv": sys.argv}
if __name__ == "__main__":
    sys.exit("not for a worker")
"""
    path = bench.write("argued.py", HEAD + text)
    assert names_of(await bench.inspect(path)) == {"best": "best"}
    worker, _, _ = await bench.prepare(path, "best")
    answer, _ = await ask(worker, frame())
    assert result_of(answer) == {"argv": [str(path)]}
    assert await worker.stop(5)


async def test_an_error_names_the_plugins_own_line(bench: Bench) -> None:
    """The last one in its own file or beside it, though a library raised; in prepare and on import as well."""
    bench.write("beside.py", "import json\n\ndef read(text):\n    return json.loads(text)\n")
    bench.write(".venv/x", "")
    (bench.folder / ".venv" / "site-packages").mkdir()
    bench.write(".venv/site-packages/library.py", "def work(text): raise OSError(text)\n")
    path = bench.write(
        "failing.py",
        HEAD
        + """
sys.path.append(os.path.dirname(__file__) + "/.venv/site-packages")
import beside, library
class Failing(Plugin):
    metadata = PluginMetadata(name="failing")
    def prepare(self, context):
        if context.options:
            library.work("prepare")
    def process_frame(self, frame):
        beside.read("{")
""",
    )
    worker, _, _ = await bench.prepare(path, "Failing")
    answer, _ = await ask(worker, frame())
    assert isinstance(answer, protocol.Raised)
    assert answer.place == "beside.py, line 4, in read"
    assert await worker.stop(5)
    worker, answer, _ = await bench.prepare(path, "Failing", {"fail": "yes"})
    assert isinstance(answer, protocol.Raised)
    assert answer.place == "failing.py, line 11, in prepare"
    assert await worker.stop(5)
    path = bench.write("late.py", "x = 1\ny = z\n")
    worker, answer, _ = await bench.prepare(path, "Late")
    assert isinstance(answer, protocol.Raised)
    assert answer.place == "late.py, line 2, in <module>"
    assert await worker.stop(5)


async def test_who_draws_on_a_frame_is_told_to_copy_it(bench: Bench, source: str) -> None:
    """In place of the long text of OpenCV, and behind the short one of numpy."""
    for code in ("import cv2\ncv2.rectangle(frame.image, (0, 0), (1, 1), 255)", "frame.image[0] = 0"):
        answer, _ = await bench.processed(source, code)
        assert isinstance(answer, protocol.Raised)
        assert "copy it first: image = frame.image.copy()" in answer.message
        assert "Overload" not in answer.message


async def test_what_is_wrong_with_a_module_is_said(bench: Bench) -> None:
    """Any failure while it is imported and inspected comes back as a sentence with a traceback."""
    for text, words in WRONG:
        answer = await bench.inspect(bench.write("wrong.py", HEAD + text))
        assert isinstance(answer, protocol.Raised)
        assert words in answer.message
        assert answer.traceback.rstrip()


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("name='a', latency_budget_ms=float('nan')", {"latency_budget_ms": None}),
        ("name='a', tags=['x', 'y'], memory_limit_mb=100", {"tags": ["x", "y"], "memory_limit_mb": 100}),
        ("name=['a']", {"name": ["a"]}),
    ],
)
async def test_metadata_is_told_as_it_is(bench: Bench, metadata: str, expected: Mapping[str, Any]) -> None:
    """It comes as JSON; the server judges if it makes sense."""
    text = HEAD + f"class A(Plugin):\n  metadata = PluginMetadata({metadata})\n  def process_frame(self, frame): ...\n"
    answer = await bench.inspect(bench.write("told.py", text))
    assert isinstance(answer, protocol.Plugins)
    told = json.loads(answer.plugins[0].metadata)
    assert {key: told[key] for key in expected} == expected


RAISING = [
    ("raise ValueError('bad frame')", "ValueError: bad frame"),
    ("raise ValueError", "ValueError"),
    ("raise BaseException('base')", "BaseException: base"),
    ("sys.exit(3)", "SystemExit: 3"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise EOFError('mine')", "EOFError: mine"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise MemoryError", "MemoryError"),
    ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    (
        "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
        "ExceptionGroup: several (2 sub-exceptions)",
    ),
    ("class Mute(Exception):\n  def __str__(self): raise self\nraise Mute", "Mute"),
    ("class Mute(Exception):\n  def __str__(self): sys.exit()\nraise Mute", "Mute"),
    ("raise ValueError('half \\ud800')", "ValueError: half ?"),
    ("assert False", "AssertionError"),
]


async def test_every_error_of_a_plugin_is_reported(bench: Bench, source: str) -> None:
    """The kind and the text come back, with a traceback, and nothing else of the worker is harmed."""
    for code, message in RAISING:
        answer, _ = await bench.processed(source, code)
        assert isinstance(answer, protocol.Raised)
        assert answer.message.startswith(message)
        assert answer.run_ms >= 0


async def test_a_worker_goes_on_after_an_exception(bench: Bench, source: str) -> None:
    """The next frame is processed by the same instance."""
    path = bench.write("obedient.py", source)
    code = "self.n = getattr(self, 'n', 0) + 1\nif self.n == 1: sys.exit()\nresult = {'n': self.n}"
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": code, "finalize": "raise SystemExit(2)"})
    answer, _ = await ask(worker, frame())
    assert isinstance(answer, protocol.Raised)
    assert "in process_frame" in answer.traceback
    answer, _ = await ask(worker, frame(1))
    assert result_of(answer) == {"n": 2}
    answer, _ = await ask(worker, protocol.Finalize())
    assert isinstance(answer, protocol.Raised)
    assert await worker.stop(5)
    assert worker.status == 0


async def test_a_failed_prepare_leaves_nothing_to_run(bench: Bench, source: str) -> None:
    """The reason is told; a frame sent all the same is refused."""
    path = bench.write("obedient.py", source)
    worker, answer, _ = await bench.prepare(path, "Obedient", {"prepare": "raise OSError('no model')"})
    assert isinstance(answer, protocol.Raised)
    assert answer.message == "OSError: no model"
    for request in (frame(), protocol.Finalize()):
        answer, _ = await ask(worker, request)
        assert isinstance(answer, protocol.Raised)
        assert "before prepare" in answer.message
    assert await worker.stop(5)


async def test_long_texts_are_cut(bench: Bench, source: str) -> None:
    """A message keeps its beginning, a traceback its end."""
    answer, notes = await bench.processed(source, "context.warn('w' * 10**6)\nraise ValueError('v' * 10**6)")
    assert isinstance(answer, protocol.Raised)
    assert len(answer.message) == MESSAGE_CHARACTERS
    assert len(answer.traceback) == TRACEBACK_CHARACTERS
    assert notes == [protocol.Warned(message="w" * MESSAGE_CHARACTERS, severity="low")]
    answer, _ = await bench.processed(source, "result = {'k' * 10**6: float('nan')}")
    assert isinstance(answer, protocol.Done)
    assert answer.fault is not None
    assert len(answer.fault) <= MESSAGE_CHARACTERS
    answer, _ = await bench.processed(source, "result = {'k' * 10**6: object()}")
    assert isinstance(answer, protocol.Done)
    assert answer.fault is not None
    assert len(answer.fault) == MESSAGE_CHARACTERS


async def test_nothing_to_say_is_no_fault(bench: Bench, source: str) -> None:
    """None comes back as no result and no fault."""
    answer, _ = await bench.processed(source, "result = None")
    assert isinstance(answer, protocol.Done)
    assert answer.result is None
    assert answer.fault is None


async def test_numbers_that_json_lacks_are_told_as_null_with_a_fault(bench: Bench, source: str) -> None:
    """NaN becomes null and is named; numpy values become numbers."""
    answer, _ = await bench.processed(source, "result = {'a': np.float32('nan'), 'b': np.arange(3), 'c': np.int64(5)}")
    assert result_of(answer) == {"a": None, "b": [0, 1, 2], "c": 5}
    assert isinstance(answer, protocol.Done)
    assert answer.fault == "a is NaN or infinite and became null"


NO_JSON = [
    ("result = [1]", "must be a dict or None, not list"),
    ("result = {}\nresult['a'] = result", "too deeply"),
    ("result = {'a': 'x' * 5_000_000}", "bytes of JSON"),
]


async def test_a_result_that_is_no_json_is_a_fault(bench: Bench, source: str) -> None:
    """There is no result, and the sentence says why."""
    for code, fault in NO_JSON:
        answer, _ = await bench.processed(source, code)
        assert isinstance(answer, protocol.Done)
        assert answer.result is None
        assert answer.fault is not None
        assert fault in answer.fault


async def test_only_what_is_no_json_is_lost_of_a_result(bench: Bench, source: str) -> None:
    """The rest of the frame's result is there, and the sentence says what is not, and where."""
    answer, _ = await bench.processed(source, "result = {'a': 1, 'b': [{'mask': np.zeros(20_000)}], 'c': 2j}")
    assert result_of(answer) == {"a": 1, "b": [{"mask": None}], "c": None}
    assert isinstance(answer, protocol.Done)
    assert answer.fault == (
        "b[0].mask is an array of 20000 elements; at most 10000 are allowed; null stands in its place"
    )


async def test_what_a_partial_result_lacks_is_told(bench: Bench, source: str) -> None:
    """It comes without it, and with a warning."""
    _, notes = await bench.processed(source, "context.partial({'a': 1, 'b': 2j})")
    (partial, warned) = notes
    assert isinstance(partial, protocol.Partial)
    assert json.loads(partial.result) == {"a": 1, "b": None}
    assert isinstance(warned, protocol.Warned)
    assert warned.message.startswith("of a partial result, b has type complex")


HOSTILE = [
    "class R(dict):\n  def items(self): raise OSError('gotcha')",
    "class R(dict):\n  def items(self): sys.exit('gotcha')",
    "class R(dict):\n  def items(self): yield 'a', 1; raise KeyboardInterrupt('gotcha')",
    "class R:\n  @property\n  def __class__(self): raise OSError('gotcha')",
    "class K(np.ndarray):\n  def astype(self, *a): raise OSError('gotcha')\ndef R(): return {'a': np.zeros(3).view(K)}",
]


async def test_a_hostile_result_is_the_plugins_failure(bench: Bench, source: str) -> None:
    """Code that runs while a result is turned into JSON is the plugin's too: an error that it raises is reported."""
    for hostile in HOSTILE:
        answer, _ = await bench.processed(source, f"{hostile}\nresult = R()")
        assert isinstance(answer, protocol.Raised), hostile
        assert answer.message.endswith("gotcha")


FORBIDDEN = [
    ("frame.image[:] = 0", "read-only"),
    ("frame.image.flags.writeable = True", "WRITEABLE"),
    ("frame.image.base.base[0] = 0", "does not support item assignment|modify|read-only"),
    ("frame.index = 3", "FrozenInstanceError"),
    ("context.options['process'] = 1", "does not support item assignment"),
    ("context.warn('x', 'fatal')", "severity must be one of low, medium, high, not 'fatal'"),
    ("context.partial([1])", "BadResult: a result must be a dict or None, not list"),
]


async def test_what_a_plugin_must_not_do_is_an_exception_in_it(bench: Bench, source: str) -> None:
    """Frames and options are read-only, and the context's methods name the types that they accept."""
    for code, words in FORBIDDEN:
        answer, notes = await bench.processed(source, code)
        assert isinstance(answer, protocol.Raised)
        assert any(word in answer.message for word in words.split("|"))
        assert not notes
        assert np.unique(bench.picture).tolist() == [1]


async def test_notes_with_odd_texts_arrive(bench: Bench, source: str) -> None:
    """Half characters and messages other than text get through; an empty partial result is sent, None is not."""
    code = "context.warn('half \\ud800')\ncontext.warn(7, 'medium')\ncontext.partial({})\ncontext.partial(None)"
    answer, notes = await bench.processed(source, code)
    assert isinstance(answer, protocol.Done)
    assert notes == [
        protocol.Warned(message="half ?", severity="low"),
        protocol.Warned(message="7", severity="medium"),
        protocol.Partial(result=b"{}"),
    ]


@pytest.mark.parametrize(
    ("code", "status"),
    [("os._exit(7)", 7), ("import ctypes; ctypes.string_at(0)", -11), ("os.abort()", -6), ("os.close(3)", 1)],
)
async def test_a_worker_that_a_plugin_ends_is_gone(bench: Bench, source: str, code: str, status: int) -> None:
    """A death that cannot be caught inside is seen from outside."""
    path = bench.write("obedient.py", source)
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": code})
    with pytest.raises(WorkerGone) as caught:
        await ask(worker, frame())
    assert caught.value.status == status
    assert await worker.kill()


KEEPING = [
    "self.kept.append(frame.image)",
    "self.kept.append(frame.image[1:3, ::2])",
    "self.kept.append(memoryview(frame.image))",
    "self.frames = getattr(self, 'frames', []) + [frame]; self.kept = [frame.image for frame in self.frames]",
    "self.later = getattr(self, 'later', []) + [lambda: frame.image]; self.kept = [look() for look in self.later]",
]


async def test_a_frame_that_a_plugin_keeps_stays_what_it_was(bench: Bench, source: str) -> None:
    """Whatever it keeps of frames, their results included, though the ring goes on to other pictures."""
    path = bench.write("obedient.py", source)
    for keeping in KEEPING:
        code = f"""
before = [np.unique(np.asarray(kept)).tolist() for kept in self.kept]
{keeping}
self.results = getattr(self, "results", []) + [frame.results]
result = {{"before": before, "results": self.results}}
"""
        worker, _, _ = await bench.prepare(path, "Obedient", {"prepare": "self.kept = []", "process": code})
        for index in range(4):
            bench.picture[:] = index
            answer, _ = await ask(worker, frame(index, {"motion": {"n": index}}))
            assert result_of(answer) == {
                "before": [[number] for number in range(index)],
                "results": [{"motion": {"n": number}} for number in range(index + 1)],
            }
        assert await worker.stop(5)


async def test_a_frame_kept_by_an_exception_stays_what_it_was(bench: Bench, source: str) -> None:
    """Be it raised to us or kept by the plugin, and also if it comes from the plugin's result."""
    path = bench.write("obedient.py", source)
    code = """
before = [np.unique(error.image).tolist() for error in self.errors]
class Odd(Exception): pass
class Result(dict):
    def items(self): raise self.error
error = Odd(str(before))
error.image = frame.image
self.errors.append(error)
if frame.index % 2:
    raise error
result = Result()
result.error = error
"""
    worker, _, _ = await bench.prepare(path, "Obedient", {"prepare": "self.errors = []", "process": code})
    for index in range(4):
        bench.picture[:] = index
        answer, _ = await ask(worker, frame(index))
        assert isinstance(answer, protocol.Raised)
        assert answer.message.startswith(f"Odd: {[[number] for number in range(index)]}")
    assert await worker.stop(5)


async def test_a_process_that_a_plugin_forks_keeps_its_frame(bench: Bench, source: str) -> None:
    """The plugin has returned by then, and the slot has another picture."""
    path = bench.write("obedient.py", source)
    code = """
if frame.index == 0:
    import multiprocessing
    context = multiprocessing.get_context("fork")
    self.go, self.seen = context.Event(), context.Queue()
    def look(image):
        self.go.wait()
        self.seen.put(np.unique(image).tolist())
    context.Process(target=look, args=(frame.image,), daemon=True).start()
else:
    self.go.set()
    result = {"seen": self.seen.get()}
"""
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": code})
    await ask(worker, frame())
    bench.picture[:] = 7
    answer, _ = await ask(worker, frame(1))
    assert result_of(answer) == {"seen": [1]}
    assert await worker.stop(5)


async def test_without_memory_for_kept_frames_the_process_ends(bench: Bench, source: str) -> None:
    """It would find other pictures there; its log says why it ended."""
    path = bench.write("obedient.py", source)
    code = """
import resource
pages = int(open("/proc/self/statm").read().split()[0])
self.kept = frame.image
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.RLIM_INFINITY))
"""
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": code})
    with pytest.raises(WorkerGone):
        await ask(worker, frame())
    await worker.gone.wait()
    assert "no memory for the frames that the plugin keeps" in worker.log.text()
    assert await worker.kill()


BATCHES = (
    HEAD
    + """
import numpy as np

class Batches(Plugin):
    metadata = PluginMetadata(name="batches", max_batch=8)

    def prepare(self, context):
        self.context, self.kept = context, []
        exec(context.options.get("prepare", ""), {"self": self})

    def process_batch(self, frames):
        scope = {"self": self, "frames": frames, "np": np}
        exec(self.context.options["batch"], scope)
        return scope.get("results")
"""
)
"""A plugin that defines ``process_batch`` alone."""


async def batch_worker(bench: Bench, code: str, **options: str) -> tuple[Worker, protocol.Answer]:
    """A worker that has prepared it, and its answer."""
    path = bench.write("batches.py", BATCHES)
    worker, answer, _ = await bench.prepare(path, "Batches", {"batch": code, **options})
    return worker, answer


def batch(*indexes: int) -> protocol.ProcessBatch:
    """A request for pictures that lie in both slots in turn, beginning with slot 1."""
    frames = [msgspec.structs.replace(frame(index, {"n": {"i": index}}), slot=1 - index % 2) for index in indexes]
    return protocol.ProcessBatch(frames=frames)


async def test_a_batch_comes_in_one_call(bench: Bench) -> None:
    """All its frames with their own results of earlier plugins, one result each, and each its share of the time."""
    code = "import time; time.sleep(0.02)\nresults = [{'i': f.index, 'n': f.results['n']['i']} for f in frames]"
    worker, answer = await batch_worker(bench, code)
    assert isinstance(answer, protocol.Done)
    assert answer.max_batch == 8
    done, _ = await ask(worker, batch(0, 1))
    assert isinstance(done, protocol.BatchDone)
    assert [result_of(frame) for frame in done.frames] == [{"i": 0, "n": 0}, {"i": 1, "n": 1}]
    assert done.frames[0].run_ms == done.frames[1].run_ms >= 10
    single, _ = await ask(worker, frame(2, {"n": {"i": 2}}))
    assert result_of(single) == {"i": 2, "n": 2}
    assert await worker.stop(5)


async def test_frames_of_a_batch_that_are_kept_stay_what_they_were(bench: Bench) -> None:
    """Also where only one of them is kept, or one of each batch."""
    code = "before = [np.unique(k).tolist() for k in self.kept]\nself.kept.append(frames[0].image[1:])\n"
    worker, _ = await batch_worker(bench, code + "results = [{'before': before}] * len(frames)")
    for index in range(3):
        bench.picture[:] = index
        done, _ = await ask(worker, batch(0, 1))
        assert isinstance(done, protocol.BatchDone)
        assert result_of(done.frames[1])["before"] == [[number] for number in range(index)]
    assert await worker.stop(5)


WRONG_BATCHES = [
    ("results = {}", "TypeError: process_batch must return a list with one result for each frame, not dict"),
    ("results = None", "not NoneType"),
    ("results = 'ab'", "not str"),
    ("results = [None]", "ValueError: process_batch returned 1 results for 2 frames"),
    ("results = [{}, {}, {}]", "process_batch returned 3 results for 2 frames"),
    ("raise KeyError(1)", "KeyError: 1"),
    ("results = [{'x': 'x' * 4_000_000}] * 4", "the results of a batch are 16000032 bytes"),
]


async def test_a_wrong_answer_is_the_whole_batchs(bench: Bench) -> None:
    """It is told in a sentence, and the worker goes on."""
    for code, words in WRONG_BATCHES:
        worker, _ = await batch_worker(bench, code)
        for _ in range(2):
            answer, _ = await ask(worker, batch(0, 1, 2, 3) if "4_000" in code else batch(0, 1))
            assert isinstance(answer, protocol.Raised)
            assert words in answer.message
        assert await worker.stop(5)


async def test_one_bad_result_of_a_batch_is_one_frames(bench: Bench) -> None:
    """The other results of the batch are there."""
    worker, _ = await batch_worker(bench, "results = ('cat', {'ok': 1}, None)")
    done, _ = await ask(worker, batch(0, 1, 2))
    assert isinstance(done, protocol.BatchDone)
    assert [frame.fault for frame in done.frames] == ["a result must be a dict or None, not str", None, None]
    assert [frame.result for frame in done.frames] == [None, b'{"ok":1}', None]
    assert await worker.stop(5)


async def test_a_prepared_plugin_may_take_fewer_at_once(bench: Bench) -> None:
    """As for a model that takes fewer; more than the metadata says are never asked for, and rubbish is told."""
    for most, told in (("2", 2), ("100", 8), ("None", 8)):
        worker, answer = await batch_worker(bench, "", prepare=f"self.max_batch = {most}")
        assert isinstance(answer, protocol.Done)
        assert answer.max_batch == told
        assert await worker.stop(5)
    for most in ("0", "'8'", "2.0"):
        worker, answer = await batch_worker(bench, "", prepare=f"self.max_batch = {most}")
        assert isinstance(answer, protocol.Raised)
        assert "max_batch must be a whole number" in answer.message
        assert await worker.stop(5)


async def test_another_ring_takes_the_place_of_the_first(bench: Bench, source: str) -> None:
    """For larger pictures, say: the plugin is the same as before, and the old memory is not mapped any more."""
    path = bench.write("obedient.py", source)
    code = "self.n = getattr(self, 'n', 0) + 1\nresult = {'n': self.n, 'sum': int(frame.image.sum())}"
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": code})
    answer, _ = await ask(worker, frame())
    assert result_of(answer) == {"n": 1, "sum": HEIGHT * WIDTH * 3}
    mapped = _frames_mapped(worker)
    with closing(FrameRing(3, 4 * HEIGHT * WIDTH * 3)) as larger:
        writer = RingWriter(os.dup(larger.fd), larger.slots, larger.slot_bytes)
        larger.seal()
        writer.view(2, 2 * HEIGHT, 2 * WIDTH)[:] = 7
        request = protocol.UseRing(slots=larger.slots, slot_bytes=larger.slot_bytes)
        assert await ask(worker, request, [larger.fd]) == (protocol.Done(result=None, run_ms=0.0), [])
    seen = protocol.Process(slot=2, index=1, timestamp_ms=0.0, width=2 * WIDTH, height=2 * HEIGHT, results={})
    answer, _ = await ask(worker, seen)
    assert result_of(answer) == {"n": 2, "sum": 7 * 4 * HEIGHT * WIDTH * 3}
    assert len(mapped) == len(_frames_mapped(worker)) == 1
    assert _frames_mapped(worker) != mapped
    assert await worker.stop(5)


async def test_a_ring_that_cannot_be_mapped_is_told(bench: Bench, source: str) -> None:
    """The plugin has no frames until one can be."""
    path = bench.write("obedient.py", source)
    worker, _, _ = await bench.prepare(path, "Obedient", {"process": "result = {}"})
    request = protocol.UseRing(slots=2**20, slot_bytes=2**40)
    answer, _ = await ask(worker, request, [bench.ring.fd])
    assert isinstance(answer, protocol.Raised)
    answer, _ = await ask(worker, frame())
    assert isinstance(answer, protocol.Raised)
    assert "no ring" in answer.message
    assert await worker.stop(5)


def _frames_mapped(worker: Worker) -> set[str]:
    """The inodes of the rings that a worker has mapped."""
    lines = Path(f"/proc/{worker.pid}/maps").read_text(encoding="utf-8").splitlines()
    return {line.split()[4] for line in lines if "kinora-frames" in line}


async def test_two_workers_have_different_random_numbers(bench: Bench, source: str) -> None:
    """They are forked from one state, but neither numpy's global generator nor Python's repeats itself."""
    code = "import random\nresult = {'n': np.random.random(), 'p': random.random()}"
    drawn = [result_of((await bench.processed(source, code))[0]) for _ in range(3)]
    assert len({one["n"] for one in drawn}) == len({one["p"] for one in drawn}) == 3


async def test_opencv_has_one_thread(tmp_path: Path) -> None:
    """Workers run side by side: each one with its own threads would take the cores from the others."""
    path = tmp_path / "threads.py"
    path.write_text(HEAD + "import cv2\n@tool('t')\ndef t(frame): return {'n': cv2.getNumThreads()}\n")
    ring = FrameRing(2, HEIGHT * WIDTH * 3)
    async with trio.open_nursery() as nursery:
        forks = ForkServer(["numpy", "cv2", "kinora.plugins.worker"])
        await nursery.start(forks.run)
        worker, _, _ = await Bench(forks, ring, None, tmp_path).prepare(path, "t")
        answer, _ = await ask(worker, frame())
        assert result_of(answer) == {"n": 1}
        nursery.cancel_scope.cancel()
    assert await worker.stop(0)
    ring.close()


async def test_a_request_that_is_none_ends_the_worker(bench: Bench) -> None:
    """A worker that cannot decode a message ends, with the reason in its log: the two sides must not drift apart."""
    worker = await bench.worker()
    await worker.send(msgspec.msgpack.encode({"op": "dance"}))
    with pytest.raises(WorkerGone):
        await worker.receive()
    await worker.gone.wait()
    assert "ValidationError" in worker.log.text()
    assert await worker.kill()


# Its state

COUNTER = (
    HEAD
    + """
class Counter(Plugin):
    metadata = PluginMetadata(name="counter")

    def prepare(self, context):
        self.options = context.options
        self.seen = 0

    def process_frame(self, frame):
        self.seen += 1
        return {"seen": self.seen}

    def save_state(self):
        return eval(self.options.get("state", "b'%d' % self.seen"))

    def load_state(self, data):
        self.seen = int(data)
"""
)


async def counter(
    bench: Bench, memory: StateMemory, earlier: bytes | None = None, **options: str
) -> tuple[Worker, protocol.Answer]:
    """A worker with a counter that keeps its states in a memory, and its answer when it was told to."""
    worker, prepared, _ = await bench.prepare(bench.write("counter.py", COUNTER), "Counter", options)
    assert isinstance(prepared, protocol.Done)
    assert prepared.remembers
    held = [] if earlier is None else [hold_state(earlier)]
    places = [] if earlier is None else [(0, len(earlier))]
    answer, _ = await ask(worker, protocol.Remember(places=places), [memory.fd, *held])
    for fd in held:
        os.close(fd)
    return worker, answer


async def test_a_state_is_there_once_the_frame_is_answered(bench: Bench) -> None:
    """It is still there after the worker was killed, and another one goes on with it."""
    with closing(StateMemory()) as memory:
        worker, _ = await counter(bench, memory)
        for index in range(3):
            await ask(worker, frame(index))
        await worker.kill()
        with pytest.raises(WorkerGone):
            await worker.receive()
        newest, before = memory.newest(2), memory.newest(1)
        assert newest is not None
        assert before is not None
        assert read_state(memory.fd, newest.places) == b"3"
        assert read_state(memory.fd, before.places) == b"2"
    with closing(StateMemory()) as memory:
        worker, answer = await counter(bench, memory, b"3")
        assert isinstance(answer, protocol.Done)
        answer, _ = await ask(worker, frame(3))
        assert isinstance(answer, protocol.Done)
        assert answer.result == b'{"seen":4}'
        assert await worker.stop(5)


async def test_a_state_that_is_refused_is_told_with_the_reason(bench: Bench) -> None:
    """As any exception is."""
    with closing(StateMemory()) as memory:
        worker, answer = await counter(bench, memory, b"nothing")
        assert isinstance(answer, protocol.Raised)
        assert answer.message.startswith("ValueError: invalid literal")
        assert answer.place is not None
        assert answer.place.endswith("in load_state")
        assert await worker.stop(5)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("1 // 0", "save_state: ZeroDivisionError: integer division or modulo by zero"),
        ("'text'", "save_state: the state must be bytes or a list of bytes, not str"),
        ("[b'', 3]", "save_state: a part of the state must be bytes, not int"),
        ("bytes(2**27)", "save_state: the state has 134217728 bytes; at most 67108864 are kept"),
        ("sys.exit(3)", "save_state: SystemExit: 3"),
    ],
)
async def test_a_state_that_cannot_be_saved_costs_no_result(bench: Bench, state: str, message: str) -> None:
    """The client is told the reason."""
    with closing(StateMemory()) as memory:
        worker, _ = await counter(bench, memory, state=state)
        answer, notes = await ask(worker, frame())
        assert isinstance(answer, protocol.Done)
        assert answer.result == b'{"seen":1}'
        (note,) = notes
        assert isinstance(note, protocol.Unsaved)
        assert note.message == message
        assert (note.place is None) == (not note.traceback)
        assert memory.newest(0) is None
        assert await worker.stop(5)


async def test_a_state_that_costs_much_is_saved_seldom_or_when_asked_for(bench: Bench) -> None:
    """Its cost stays a small share of the plugin's time."""
    state = "b'%d' % (sum(range(1_000_000)) and self.seen)"
    with closing(StateMemory()) as memory:
        worker, _ = await counter(bench, memory, state=state)
        for index in range(10):
            await ask(worker, frame(index))
        found = memory.newest(9)
        assert found is not None
        assert found.index < 9
        await ask(worker, protocol.SaveState(index=9))
        found = memory.newest(9)
        assert found is not None
        assert (found.index, read_state(memory.fd, found.places)) == (9, b"10")
        assert await worker.stop(5)


async def test_a_plugin_with_one_of_the_two_methods_is_broken(bench: Bench) -> None:
    """It says which is missing; with neither it does not remember."""
    half = COUNTER.replace("load_state", "load")
    answer = await bench.inspect(bench.write("half.py", half))
    assert isinstance(answer, protocol.Raised)
    assert "Counter defines save_state alone: define both save_state and load_state" in answer.message
    worker, prepared, _ = await bench.prepare(bench.write("none.py", half.replace("save_state", "save")), "Counter")
    assert isinstance(prepared, protocol.Done)
    assert not prepared.remembers
    assert await worker.stop(5)


MERGING = (
    HEAD
    + """
class Merging(Plugin):
    metadata = PluginMetadata(name="merging", stateless=True)

    def process_frame(self, frame):
        return None

    def finalize(self):
        return {"frames": 1}

    @staticmethod
    def merge(results):
        return {"frames": sum(result["frames"] for result in results)}
"""
)


async def test_merge_joins_results_without_prepare(bench: Bench) -> None:
    """It may be a plain function; an error in it is told as any other."""
    path = bench.write("merging.py", MERGING)
    worker = await bench.worker()
    origin = protocol.Origin(kind="file", location=str(path), attribute="Merging")
    answer, _ = await ask(worker, protocol.Merge(origin=origin, results=[b'{"frames": 2}', b'{"frames": 3}']))
    assert result_of(answer) == {"frames": 5}
    answer, _ = await ask(worker, protocol.Merge(origin=origin, results=[b"{}"]))
    assert isinstance(answer, protocol.Raised)
    assert answer.message == "KeyError: 'frames'"
    assert answer.place is not None
    assert await worker.stop(5)


async def test_it_is_told_whether_a_plugin_sums_up_and_merges(bench: Bench) -> None:
    """By the methods that its class defines."""
    found = await bench.inspect(bench.write("merging.py", MERGING))
    assert isinstance(found, protocol.Plugins)
    assert [(plugin.sums_up, plugin.merges) for plugin in found.plugins] == [(True, True)]
    found = await bench.inspect(bench.write("plain.py", HEAD + "@tool('plain')\ndef plain(frame): ...\n"))
    assert isinstance(found, protocol.Plugins)
    assert [(plugin.sums_up, plugin.merges) for plugin in found.plugins] == [(False, False)]
