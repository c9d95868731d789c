"""The tables of ``kinora.toml`` that have names of their own, such as ``[cameras.front]``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from kinora.cli.config import config
from kinora.doctor.webhooks import check_webhooks
from kinora.media.live.placed_camera import PlacedCamera
from kinora.settings import SettingsError, load_settings, password_faults
from tests.cli.test_settings import toml

FRONT = '[cameras.front]\nurl = "rtsp://10.0.0.7/stream?token=abc"\nuser = "joe"\npassword_file = "secrets/front"\n'


def test_cameras_are_tables_of_the_file(tmp_path: Path) -> None:
    """The files of their passwords begin in its folder."""
    cameras = load_settings(
        {}, {}, toml(tmp_path, FRONT + '[cameras.back-2]\nurl = "http://back.local/video"\n')
    ).cameras
    assert cameras["back-2"] == PlacedCamera(url="http://back.local/video")
    front = PlacedCamera(
        url="rtsp://10.0.0.7/stream?token=abc", user="joe", password_file=tmp_path / "secrets" / "front"
    )
    assert cameras["front"] == front
    assert "10.0.0.7" not in repr(front)


def test_standing_jobs_are_tables_of_the_file(tmp_path: Path) -> None:
    """With plugins by name or with options, as in a request."""
    text = """
        [jobs.door]
        source = "camera:front"
        plugins = ["people", {name = "motion", options = {size = 200}}]
        options = {stride = 2}
    """
    door = load_settings({}, {}, toml(tmp_path, text)).jobs["door"]
    assert door.restart == "always"
    assert [plugin.name for plugin in door.request().plugins] == ["people", "motion"]
    assert door.request().plugins[1].options == {"size": 200}
    assert door.request().options.stride == 2


def test_webhooks_are_tables_of_the_file(tmp_path: Path) -> None:
    """The files of their secrets begin in its folder; what may be secret of the URL is not shown."""
    text = """
        [webhooks.alarm]
        url = "https://chat.example:8443/hooks/T0KEN?key=abc"
        events = ["entered", "complete"]
        jobs = ["door"]
        cooldown_s = 30
        secret_file = "secrets/alarm"
    """
    settings = load_settings({}, {}, path := toml(tmp_path, text))
    alarm = settings.webhooks["alarm"]
    assert (alarm.events, alarm.cooldown_s) == (("entered", "complete"), 30)
    assert alarm.secret_file == tmp_path / "secrets" / "alarm"
    shown = CliRunner().invoke(config, ["show", "--json", "--config", str(path)])
    assert json.loads(shown.output)["webhooks"]["value"]["alarm"]["url"] == "https://chat.example:8443/…"
    assert not re.search("T0KEN|abc", shown.output + repr(alarm))
    listed, secret, job = check_webhooks(settings)
    assert (listed.state, listed.found) == ("ok", "in the settings: alarm")
    assert secret.found.startswith("The secret of alarm cannot be read (No such file or directory): put it into ")
    assert job.found == "alarm is for door, which is not in the settings"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras = 3", "cameras: must be tables of kinora.toml, each with a name of its own"),
        ('[webhooks.alarm]\nevents = ["*"]', "webhooks.alarm.url: is missing"),
        ('[webhooks.alarm]\nurl = "http://joe:x@alarm/"', "webhooks.alarm.url: leave user and password out of the URL"),
        ('[webhooks.alarm]\nurl = "http://bücher/"', "webhooks.alarm.url: must have a host in ASCII"),
        ('[webhooks.alarm]\nurl = "rtsp://alarm/"', "webhooks.alarm.url: must begin with http:// or https://"),
        ('[webhooks.alarm]\nurl = "http://alarm/"\nevents = []', "webhooks.alarm.events: must name at least one kind"),
        (
            '[webhooks.alarm]\nurl = "http://alarm/"\nevents = ["event:"]',
            "webhooks.alarm.events: must name at least one kind",
        ),
        ('[webhooks.alarm]\nurl = "http://alarm/"\ncooldown_s = -1', "webhooks.alarm.cooldown_s: "),
        (
            '[webhooks.alarm]\nurl = "http://alarm/"\nclip = {before = 5}',
            "webhooks.alarm.clip: there is no key 'before'; there are: before_s, after_s",
        ),
        (
            '[jobs.door]\nsource = "demo:"\nplugins = ["motion"]\nclip = {after_s = 3600}',
            "jobs.door.clip: after_s must be a number of seconds from 0 to 300",
        ),
        ("[cameras]\nfront = 3", "cameras.front: must be a table"),
        ('[cameras.front]\nuser = "joe"', "cameras.front.url: is missing"),
        ("[cameras.front]\nurl = 3", "cameras.front.url: must be text, not 3"),
        (
            '[cameras.front]\nurl = "rtsp://joe:secret@cam/x"',
            "cameras.front.url: leave user and password out of the URL",
        ),
        ('[cameras.front]\nurl = "ftp://cam/x"', "cameras.front.url: Sources are not read from ftp:// here"),
        ('[cameras.front]\nurl = "http:///x"', "cameras.front.url: The URL names no host"),
        (
            '[cameras.front]\nurl = "rtsp://cam/x"\nuser = "joe"',
            "cameras.front: user and password_file belong together",
        ),
        ('[cameras.front]\nurl = "rtsp://cam/x"\nuser = "a:b"', "cameras.front.user: must be the name of a user"),
        ('[cameras.front]\npassword = "secret"', "the nearest one is password_file"),
        ('[jobs.door]\nplugins = ["motion"]', "jobs.door.source: is missing"),
        ('[jobs.door]\nrestart = "often"', "jobs.door.restart: 'restart' must be in ('always', 'on_failure', 'never')"),
        ("[jobs.door]\noptions = 3", "jobs.door.options: must be a table, not 3"),
        ('[cameras."front door"]\nurl = "rtsp://cam/x"', "cameras.front door: write the name in letters, digits"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    """With its name and key; a password that stands there is not repeated."""
    path = toml(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, {}, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_cameras_stand_in_no_variable() -> None:
    """A variable has no tables."""
    with pytest.raises(SettingsError, match="KINORA_CAMERAS: must be tables of"):
        load_settings({}, {"KINORA_CAMERAS": "front"})


def test_password_files_are_looked_at(tmp_path: Path) -> None:
    """One that cannot be read, and one that everybody can."""
    settings = load_settings({}, {}, toml(tmp_path, FRONT))
    [missing] = password_faults(settings)
    assert missing.startswith("The password of camera:front cannot be read (No such file or directory)")
    assert missing.endswith(f"put it into {tmp_path / 'secrets' / 'front'}")
    (tmp_path / "secrets").mkdir()
    (secret := tmp_path / "secrets" / "front").write_text("secret")
    secret.chmod(0o644)
    assert password_faults(settings) == [f"Everyone on this machine can read {secret}: chmod o= {secret}"]
    secret.chmod(0o640)
    assert password_faults(settings) == []


def test_the_settings_are_shown_without_what_a_url_may_hide(tmp_path: Path) -> None:
    """A token in its query."""
    shown = CliRunner().invoke(config, ["show", "--json", "--config", str(toml(tmp_path, FRONT))])
    cameras = json.loads(shown.output)["cameras"]["value"]
    assert cameras == {
        "front": {
            "url": "rtsp://10.0.0.7/stream?…",
            "user": "joe",
            "password_file": str(tmp_path / "secrets" / "front"),
        }
    }


def test_a_tilde_without_such_a_user_begins_a_name(tmp_path: Path) -> None:
    """As in the arguments of commands; what is wrong with the file is said where it is looked at."""
    written = '[webhooks.alarm]\nurl = "https://alarm.example/"\nsecret_file = "~nobody42/alarm"\n'
    settings = load_settings({}, {}, toml(tmp_path, written))
    assert settings.webhooks["alarm"].secret_file == tmp_path / "~nobody42" / "alarm"
