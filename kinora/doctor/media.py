"""OpenCV, the codecs of the FFmpeg that PyAV has, and the scripts that labels can be drawn in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.media.videos.video_kinds import KINDS
from kinora.plugins.opencv import opencv_advice
from kinora.runtime.forking.workers import describe_exit

DECODERS = ("h264", "hevc", "libdav1d", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "prores", "png", "gif", "webp")
"""FFmpeg's names of the codecs that cameras, phones and archives use; libdav1d is for AV1."""
NEEDED = frozenset({"h264", "mjpeg"})
"""Without these hardly any camera or file can be read."""
ENCODERS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.codecs))
PROBE_S = 30.0
"""The time for a process to load the libraries, which takes a second; on a cold and busy disk far more."""
AV_AGAIN = "run pip install --force-reinstall --no-deps 'av>=18.1,<19'"
FONTS = "install fonts, on Debian and Ubuntu by apt install fonts-noto-cjk"


def check_media() -> list[Finding]:
    """What the libraries can do, tried in a process that may crash. Blocks for ``PROBE_S`` at most."""
    command = [sys.executable, "-P", "-m", "kinora.doctor.probe", ",".join(DECODERS), ",".join(ENCODERS)]
    places = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # as the fork server imports
    try:
        done = subprocess.run(  # noqa: S603 - our own module under our own interpreter
            command, env=places, capture_output=True, text=True, timeout=PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        found = f"OpenCV and PyAV were not loaded within {PROBE_S:g} s"
        return [failed("media libraries", found, "see what the disk and the processors are busy with, and try again")]
    if done.returncode:
        return [_broken(done)]
    told: Mapping[str, Any] = json.loads(done.stdout)
    return [ok("OpenCV", told["opencv"]), *codecs(told), _fonts(told)]


def _broken(done: subprocess.CompletedProcess[str]) -> Finding:
    reason = (done.stderr.strip().splitlines() or [f"its process {describe_exit(done.returncode)}"])[-1]
    mend = opencv_advice(done.stderr).removeprefix("; ") or AV_AGAIN
    return failed("media libraries", f"they cannot be loaded: {reason}", mend)


def codecs(told: Mapping[str, Any]) -> list[Finding]:
    """What can be read and written, from what the probe has told."""
    lacking = [name for name in DECODERS if name not in told["decoders"]]
    listed = f"FFmpeg {told['ffmpeg']} reads {', '.join(told['decoders']) or 'nothing'}"
    if lacking:
        found = f"{listed}; it lacks {', '.join(lacking)}"
        reading = (failed if NEEDED & set(lacking) else warning)("reading video", found, AV_AGAIN)
    else:
        reading = ok("reading video", listed)
    if told["encoders"]:
        return [reading, ok("writing video", f"by {', '.join(told['encoders'])}")]
    return [reading, warning("writing video", "there is no encoder, so no annotated video can be made", AV_AGAIN)]


def _fonts(told: Mapping[str, Any]) -> Finding:
    scripts = ", ".join(told["scripts"])
    if not told["own_font"]:
        return failed("fonts", "the font that comes with Kinora is missing", "install Kinora again")
    if "Chinese" not in told["scripts"]:
        return ok("fonts", f"{scripts}; for Chinese, Japanese and Korean labels {FONTS}")
    return ok("fonts", scripts)
