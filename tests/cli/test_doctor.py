"""``kinora doctor`` says what is wrong on a machine and what mends it, and ends whatever hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

import pytest

from kinora.doctor import certificate, folders, machine, media, port, software
from kinora.doctor.examination import CHECKS, Check, examine
from kinora.doctor.finding import Finding, failed, ok
from kinora.settings import Settings
from kinora.system import make_system
from tests.authority import Authority

DOCTOR = [sys.executable, "-m", "kinora", "doctor", "--json"]
WITHOUT = [sys.executable, "-m", "tests.cli.surroundings"]
LIMIT_S = 120


def examined(command: list[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON of a doctor in a process of its own."""
    whole = [*command, *map(str, arguments)]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, json.loads(done.stdout)


def states(found: Sequence[Finding]) -> list[str]:
    """The states of findings."""
    return [finding.state for finding in found]


def settings_in(folder: Path, **changed: Any) -> Settings:
    """Settings whose folders are all in ``folder``."""
    return Settings(data_dir=folder / "data", media_dir=folder, models_dir=folder, **changed)


def test_a_healthy_machine_passes(tmp_path: Path) -> None:
    """Every check says something, a frame goes through, nothing is left behind, and the exit code is 0."""
    code, told = examined(DOCTOR, "--data-dir", tmp_path / "data", "--media-dir", tmp_path, "--port", "0")
    found = {check["check"]: check for check in told["checks"]}
    assert (code, told["ok"]) == (0, True), told
    assert {check.name for check in CHECKS} - {"media libraries", "folders", "certificate"} <= found.keys()
    assert {"a frame", "plugins", "reading video", "fonts", "media folder"} <= found.keys()
    assert all(bool(check["mend"]) == (check["state"] != "ok") for check in told["checks"])
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_told_with_its_mend_and_ends_with_1(tmp_path: Path) -> None:
    """On a machine that lacks something needed the doctor says which, and leaves the trial out."""
    code, told = examined(
        [*WITHOUT, "future_write", "doctor", "--json"], "--data-dir", tmp_path, "--media-dir", tmp_path / "gone"
    )
    wrong = {check["check"]: check for check in told["checks"] if check["state"] == "failed"}
    assert (code, told["ok"]) == (1, False)
    assert "F_SEAL_FUTURE_WRITE" in wrong["kernel"]["found"]
    assert "Linux 5.3" in wrong["kernel"]["mend"]
    assert wrong["media folder"]["found"] == f"{tmp_path / 'gone'} does not exist"
    assert "--media-dir" in wrong["media folder"]["mend"]
    assert "a frame" not in {check["check"] for check in told["checks"]}


async def test_a_check_that_hangs_or_breaks_is_a_finding(tmp_path: Path) -> None:
    """Its time limit ends it, and the checks behind it have their turn."""
    released = threading.Event()

    def hang(_settings: Settings) -> Sequence[Finding]:
        released.wait()
        return []

    def fail(_settings: Settings) -> Sequence[Finding]:
        raise ZeroDivisionError("none")

    checks = [Check("share", hang, limit_s=0.05), Check("odd", fail), Check("last", lambda _: [ok("last", "fine")])]
    try:
        share, odd, last = await examine(Settings(), tmp_path, checks)
    finally:
        released.set()
    assert share == failed("share", "no answer within 0.05 s", "see what hangs: a disk, a share, a driver")
    assert odd.state == "failed"
    assert "none" in odd.found
    assert last.state == "ok"


def test_the_data_folder_must_be_writable_and_have_room(tmp_path: Path) -> None:
    """A folder that can be made is as good as one that is there; each fault is told."""
    assert states(folders.check_data_dir(settings_in(tmp_path))) == ["ok"]
    assert not (tmp_path / "data").exists()
    (tmp_path / "data").write_text("")
    [file] = folders.check_data_dir(settings_in(tmp_path))
    assert (file.state, file.found) == ("failed", f"{tmp_path / 'data'} is not a folder")
    [read_only] = folders.check_data_dir(Settings(data_dir=Path("/proc/none")))
    assert read_only.state == "failed"
    assert "/proc cannot be written to" in read_only.found
    [full] = folders.check_data_dir(settings_in(tmp_path / "sub", min_free_bytes=2**60))
    assert full.state == "failed"
    assert "free some space" in full.mend


async def test_a_server_at_work_is_seen_by_its_lock(tmp_path: Path) -> None:  # noqa: ASYNC124 - a system is made in a loop
    """A doctor beside it takes no lock, and finds nothing wrong."""
    settings = settings_in(tmp_path)
    with make_system(settings):
        [found] = folders.check_data_dir(settings)
        assert found.state == "ok"
        assert f"{settings.data_dir}, where a server is at work: " in found.found
    [after] = folders.check_data_dir(settings)
    assert "at work" not in after.found


def test_file_systems_of_other_machines_are_known() -> None:
    """The innermost mount counts, and names with spaces are read as mount(8) writes them."""
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\n/dev/b /srv/my\\040disk xfs rw 0 0\n"
    assert folders.file_system(Path("/srv/kinora"), mounts) == "nfs4"
    assert folders.file_system(Path("/srv/my disk/kinora"), mounts) == "xfs"
    assert folders.file_system(Path("/home"), mounts) == "ext4"


class Health(BaseHTTPRequestHandler):
    """Answers as a Kinora server does."""

    def do_GET(self) -> None:
        """Answer any request."""
        body = b'{"status": "ok"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has there
        """Log nothing."""


@contextmanager
def answering(server: TCPServer) -> Iterator[int]:
    """Serve while the block runs, on this port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_port_may_be_free_or_taken_by_a_kinora(tmp_path: Path) -> None:
    """Only another program on it is a fault."""
    with answering(HTTPServer(("127.0.0.1", 0), Health)) as number:
        taken = settings_in(tmp_path, port=number)
        [found] = port.check_port(taken)
    assert found == ok("port", f"a Kinora server answers on 127.0.0.1 port {taken.port}")
    [free] = port.check_port(taken)
    assert free == ok("port", f"127.0.0.1 port {taken.port} is free")
    with answering(TCPServer(("127.0.0.1", 0), BaseRequestHandler)) as number:
        [stranger] = port.check_port(settings_in(tmp_path, port=number))
    assert stranger.state == "failed"
    assert "is taken" in stranger.found
    assert "--port" in stranger.mend


def test_libraries_of_other_versions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the version that is there, and the command that installs what is needed."""
    package = tmp_path / "kinora-0.1.0.dist-info"
    package.mkdir()
    needs = 'Requires-Dist: trio>=999\nRequires-Dist: no-such-thing>=1\nRequires-Dist: odd; extra == "ocr"\n'
    (package / "METADATA").write_text(f"Metadata-Version: 2.4\nName: kinora\nVersion: 0.1.0\n{needs}")
    monkeypatch.syspath_prepend(tmp_path)
    [found] = software.check_libraries()
    assert found.state == "failed"
    assert "and Kinora needs >=999; no-such-thing is missing" in found.found
    assert found.mend == "run pip install 'trio>=999' 'no-such-thing>=1'"


def test_a_broken_opencv_is_told_with_the_commands_that_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that takes its process down when it is imported."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    [broken] = media.check_media()
    assert broken.state == "failed"
    assert "libGL.so.1" in broken.found
    assert "pip install" in broken.mend
    (tmp_path / "cv2.py").write_text("import os; os.abort()")
    [crashed] = media.check_media()
    assert (crashed.state, crashed.found) == ("failed", "they cannot be loaded: its process was killed by SIGABRT")


def test_missing_codecs_are_told() -> None:
    """Without H.264 hardly anything can be read; others are a warning, as is a lack of encoders."""
    told = {"ffmpeg": "8.1", "decoders": [*media.DECODERS], "encoders": ["libx264"]}
    assert states(media.codecs(told)) == ["ok", "ok"]
    without_prores = {**told, "decoders": [name for name in media.DECODERS if name != "prores"], "encoders": []}
    assert states(media.codecs(without_prores)) == ["warning", "warning"]
    assert states(media.codecs({**told, "decoders": ["png"]})) == ["failed", "ok"]


def test_limits_are_held_against_the_settings() -> None:
    """More clients than files, and more memory for workers than there is, are warnings."""
    assert states(machine.check_files(Settings(max_connections=10**9))) == ["warning"]
    assert states(machine.check_files(Settings(max_connections=1, max_jobs=1))) == ["ok"]
    assert states(machine.check_tasks(Settings(max_jobs=1))) == ["ok"]
    assert states(machine.check_memory(Settings(workers_memory_mb=10**9))) == ["warning"]
    assert machine.check_user()[0].state == ("warning" if os.geteuid() == 0 else "ok")


def test_a_certificate_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    """How long it is valid is told, and a server with it on the port is known; without TLS nothing is said."""
    authority = Authority(tmp_path)
    assert certificate.check_certificate(settings_in(tmp_path)) == []
    [valid] = certificate.check_certificate(settings_in(tmp_path, tls_cert=authority.server))
    assert valid.state == "ok"
    assert "is valid for" in valid.found
    now = datetime.now(tz=UTC)
    soon = authority.give("soon.pem", not_after=now + timedelta(days=3, hours=1))
    [ending] = certificate.check_certificate(settings_in(tmp_path, tls_cert=soon))
    assert (ending.state, ending.found) == ("warning", f"{soon} ends in 3 days")
    over = authority.give("over.pem", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
    [ended] = certificate.check_certificate(settings_in(tmp_path, tls_cert=over))
    assert (ended.state, ended.found) == ("warning", f"{over}: certificate has expired")
    (tmp_path / "odd.pem").write_text("odd")
    for wrong in ({"tls_cert": tmp_path / "odd.pem"}, {"tls_key": authority.server}):
        [unusable] = certificate.check_certificate(settings_in(tmp_path, **wrong))
        assert unusable.state == "failed"
        assert "--tls-" in f"{unusable.found} {unusable.mend}"
