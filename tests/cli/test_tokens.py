"""The commands against a server that needs a token, all as processes, and where their token comes from."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from structlog.testing import capture_logs

from kinora.actors.access import tokens
from kinora.cli.client.client_flags import token_for
from kinora.cli.client.this_machine import is_ones_own, is_this_machine, users_listening
from kinora.cli.serve import warn_of_token
from kinora.client import ClientError, KinoraClient
from kinora.client import token as client_token
from kinora.client.http import server_address
from kinora.client.token import authorization, token_of_environment
from kinora.settings import load_settings, variables
from kinora.settings.variables import passed_over
from kinora.web.connection.addresses import reachable_here
from tests.cli.test_cli import KINORA, LIMIT_S

ANY = "0.0.0.0"  # noqa: S104 - all addresses are meant
TOKEN = "kin_" + "a" * 43


@attrs.frozen
class Served:
    """A ``kinora serve --host 0.0.0.0``, and the commands on its machine."""

    process: subprocess.Popen[str]
    links: list[str]
    data_dir: Path
    elsewhere: Path
    """The home folder of another user."""

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://127.0.0.1:{urlsplit(self.links[0]).port}"

    def run(self, *args: str, own: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, by the server's own user or by another one."""
        env = self.environment(own=own, **variables)
        return subprocess.run([*KINORA, *args], env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def environment(self, *, own: bool = True, **variables: str) -> dict[str, str]:
        """The environment of a command."""
        folder = {"KINORA_DATA_DIR": str(self.data_dir)} if own else {"HOME": str(self.elsewhere)}
        return {**os.environ, "KINORA_URL": self.url, **folder, **variables}


@contextmanager
def served(tmp_path: Path, media: Path, log: Path) -> Iterator[Served]:
    """A server on all addresses, stopped in the end."""
    folders = ["--data-dir", str(tmp_path / "served"), "--media-dir", str(media)]
    command = [*KINORA, "serve", "--host", ANY, "--port", "0", *folders]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            assert "works once" in process.stdout.readline()
            links = [process.stdout.readline().strip() for _ in range(2)]
            yield Served(process, links, tmp_path / "served", tmp_path / "elsewhere")
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()


def cookie_by(link: str, url: str) -> str:
    """The cookie that the server at ``url`` sets when a browser opens the link, and sends on to its page."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=LIMIT_S)
    connection.request("GET", f"/login?{urlsplit(link).query}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["location"]) == (303, "/")
    connection.close()
    return answer.headers["set-cookie"]


def test_a_team_uses_a_server(tmp_path: Path, media: Path) -> None:
    """Links, tokens of both roles, the end of a watcher whose token is revoked; and nothing secret in the log."""
    log = tmp_path / "log"
    with served(tmp_path, media, log) as server:
        assert [urlsplit(link).hostname for link in server.links][1] == socket.gethostname().lower()
        assert {urlsplit(link).path for link in server.links} == {"/login"}
        cookie = cookie_by(server.links[0], server.url)
        assert json.loads(server.run("jobs", "--json").stdout) == {"jobs": [], "next_cursor": None}
        for stranger in (server.run("jobs", own=False), server.run("watch", own=False)):
            assert stranger.returncode == 1
            assert re.fullmatch(r"kinora: This server needs a token: give one by --token-file, .*\n", stranger.stderr)

        made = server.run("token", "new", "--role", "view", "--name", "wall")
        wall, (link, *_) = made.stdout.strip(), re.findall(r"http://\S+", made.stderr)
        assert wall.startswith("kin_")
        assert "HttpOnly" in cookie_by(link, server.url)
        refused = server.run("submit", "clip.mp4", "-p", "motion", own=False, KINORA_TOKEN=wall)
        assert (refused.returncode, refused.stderr) == (
            1,
            "kinora: This token may only read and watch: use one with the role operate.\n",
        )

        file = tmp_path / "wall"
        file.write_text(f"{wall}\n")
        watch = [*KINORA, "watch", "--json", "--token-file", str(file)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(watch, env=server.environment(own=False), **pipes) as watching:  # type: ignore[call-overload]
            assert '"metadata"' in watching.stdout.readline()
            assert server.run("token", "revoke", "wall").returncode == 0
            _, said = watching.communicate(timeout=LIMIT_S)
        assert watching.returncode == 1
        assert "The token was revoked" in said
        assert len(said.splitlines()) == 1

        listed = json.loads(server.run("token", "list", "--json").stdout)["tokens"]
        assert [token["name"] for token in listed] == ["local"]
        assert (
            server.run("token", "revoke", "locl").stderr
            == "kinora: There is no token 'locl'; the nearest one is local: see `kinora token list`\n"
        )
        again = server.run("token", "link").stdout.split()
        assert [urlsplit(link).hostname for link in again] == [urlsplit(link).hostname for link in server.links]
        secrets = [wall, (server.data_dir / "token").read_text().strip(), cookie.partition("=")[2].partition(";")[0]]
        secrets += [link.partition("code=")[2] for link in (*server.links, *again)]
    text = log.read_text()
    assert "serving" in text
    assert not [secret for secret in secrets if secret in text]


def test_a_token_comes_from_flags_then_variables_then_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the data folder is shown to a server on this machine only."""
    (tmp_path / "token").write_text("kin_local\n")
    (tmp_path / "other").write_text("kin_file\n")
    monkeypatch.setenv("KINORA_DATA_DIR", str(tmp_path))
    here, there = "http://127.0.0.1:8000", "http://192.0.2.1:8000"
    assert token_for(here, None, None) == "kin_local"
    assert token_for(f"http://{socket.gethostname()}", None, None) == "kin_local"
    assert token_for(there, None, None) is None
    assert token_for("http://kinora.example", None, None) is None
    monkeypatch.setenv("KINORA_TOKEN_FILE", str(tmp_path / "other"))
    assert token_for(here, None, None) == token_for(there, None, None) == "kin_file"
    monkeypatch.setenv("KINORA_TOKEN", TOKEN)
    assert token_for(here, None, None) == TOKEN
    assert token_for(here, None, tmp_path / "other") == "kin_file"
    assert token_for(here, "kin_flag", None) == "kin_flag"
    assert KinoraClient(here).token == TOKEN
    assert KinoraClient(here, f"{TOKEN}b").token == f"{TOKEN}b"
    assert "kin_" not in repr(KinoraClient(here))


def test_the_variable_is_a_setting_unless_it_is_a_token() -> None:
    """``KINORA_TOKEN=true`` asks for tokens; a client's own changes nothing, and is not passed over with a warning."""
    assert load_settings({}, {"KINORA_TOKEN": "true"}).token
    assert not load_settings({}, {"KINORA_TOKEN": TOKEN, "KINORA_TOKEN_FILE": "x"}).token
    assert passed_over({"KINORA_TOKEN": TOKEN, "KINORA_TOKEN_FILE": "x"}) == []
    assert token_of_environment({"KINORA_TOKEN": "true"}) is None


def test_server_client_and_settings_agree_on_how_a_token_begins() -> None:
    """Each has the constant for itself: a client knows no server, and settings come before both."""
    assert tokens.PREFIX == client_token.PREFIX == variables._SECRET


def test_a_token_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    """A file that is missing or empty, and characters that a header cannot have."""
    with pytest.raises(ClientError, match="cannot be read"):
        token_of_environment({"KINORA_TOKEN_FILE": str(tmp_path / "none")})
    (tmp_path / "empty").touch()
    with pytest.raises(ClientError, match="is empty"):
        token_of_environment({"KINORA_TOKEN_FILE": str(tmp_path / "empty")})
    for wrong in ("kin_é", "kin_a b", "kin_a\r\nhost: x"):
        with pytest.raises(ClientError, match="characters"):
            authorization(wrong)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.9.9.9", True), ("::1", True), ("localhost", True), (ANY, True), (socket.gethostname(), True),
     ("192.0.2.1", False), ("2001:db8::1", False), ("kinora.example", False), ("localhost.example", False)],
)  # fmt: skip
def test_this_machine_is_known_by_its_addresses_and_its_name(host: str, *, own: bool) -> None:
    """No other name is looked up, as others may answer."""
    assert is_this_machine(host) is own


@pytest.mark.parametrize(
    ("answers", "own"), [(("127.0.1.1", "::1"), True), (("127.0.1.1", "192.0.2.9"), False), ((), False)]
)
def test_the_name_of_this_machine_may_lead_elsewhere(
    answers: tuple[str, ...], *, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may answer for ``box.local``, and is not shown the local token."""

    def look_up(*_: object, **__: object) -> list[Any]:
        if not answers:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, 0)) for address in answers]

    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert is_this_machine("box.local") is is_this_machine("box") is own


def test_another_user_on_the_port_is_not_shown_the_local_token(tmp_path: Path) -> None:
    """A server that is down may have left its port to anybody; root may read the token's file anyway."""
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 1 1\n"
        "   1: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 2 1\n"
        "   2: 0100007F:1F40 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1003        0 3 1\n"
    )
    assert users_listening(8000, [table, tmp_path / "tcp6"]) == {1001}
    assert users_listening(8002, [table]) == frozenset()
    for host in ("127.0.0.1", "::1"):
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
            port = listening.getsockname()[1]
            assert users_listening(port) == {os.geteuid()}
            assert is_ones_own(port, os.geteuid())
            assert is_ones_own(port, os.geteuid() + 1) is (os.geteuid() == 0)
    assert is_ones_own(port, os.geteuid() + 1)  # nobody listens any more: the command says so


def test_commands_reach_a_server_on_all_addresses_by_loopback() -> None:
    """An unspecified address is none to connect to."""
    hosts = (ANY, "::", "192.0.2.1", "box")
    assert [*map(reachable_here, hosts)] == ["127.0.0.1", "::1", "192.0.2.1", "box"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://127.0.0.1:0", "http://[::1", "box:8000", "http://"]
)
def test_an_address_that_is_none_is_said(url: str) -> None:
    """A sentence, and no traceback."""
    with pytest.raises(ClientError, match="is not a server address"):
        server_address(url)


def test_a_server_that_is_given_a_token_of_clients_says_that_it_protects_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It asks for tokens by a setting of the same name, which an operator may have meant."""
    monkeypatch.setenv("KINORA_TOKEN", TOKEN)
    with capture_logs() as lines:
        warn_of_token(load_settings({}, {}))
        warn_of_token(load_settings({"token": True}, {}))
    (line,) = lines
    assert "protects nothing here" in line["event"]
    assert TOKEN not in str(line)
