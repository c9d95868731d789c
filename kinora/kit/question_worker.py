"""The process in which one question is put to a plugin: it runs the author's code, and may crash or hang."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from kinora.kit.messages import QUESTION, Ask, Broken, Kept, Passed
from kinora.kit.questions import QUESTIONS, PromiseBroken, Subject
from kinora.plugins.api import Frame
from kinora.plugins.failures import home_of, own_place, raised, valid
from kinora.plugins.loading import load
from kinora.plugins.protocol import MESSAGE_CHARACTERS, Raised
from kinora.plugins.testing import FRAME_MS
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve


def main(channel: Channel) -> None:
    """Answer the question."""
    serve(Line(QUESTION, channel), lambda request, _fds: [_answer(request)])


def _answer(request: Ask) -> Kept | Broken | Passed | Raised:
    try:
        seen = QUESTIONS[request.question](_subject(request))
    except PromiseBroken as broken:
        return Broken(valid(broken.fault)[:MESSAGE_CHARACTERS], broken.mend, broken.grave)
    except BaseException as error:  # noqa: ASYNC103, BLE001 - it is the plugin's, and is told
        told = raised(error, 0.0)
        place = own_place(told.traceback, home_of(request.origin))
        return msgspec.structs.replace(told, place=place)  # noqa: ASYNC104 - no Trio here
    return Passed() if seen is None else Kept(valid(seen)[:MESSAGE_CHARACTERS])


def _subject(request: Ask) -> Subject:
    shown = enumerate(zip(request.pictures, request.results, strict=True))
    frames = [
        Frame(image=np.load(path), index=index, timestamp_ms=index * FRAME_MS, results=msgspec.json.decode(results))
        for index, (path, results) in shown
    ]
    options = msgspec.json.decode(request.options)
    return Subject(
        plugin=load(request.origin),
        options=options,
        models_dir=Path(request.models_dir),
        frames=frames,
        frame_s=request.frame_s,
    )
