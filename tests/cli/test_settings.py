"""The places that settings come from, and the errors for those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinora.settings import Settings, SettingsError, load_settings, passed_over, require_folders
from kinora.settings.of_run import settings_of_run


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(folder: Path, text: str) -> Path:
    """A ``kinora.toml`` in the folder."""
    path = folder / "kinora.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_gives_the_defaults() -> None:
    """Without flags, variables and file everything has a usable default."""
    assert load_settings({}, {}) == Settings()
    assert Settings().host == "127.0.0.1"
    assert Settings().port == 8000


def test_flags_win_over_variables_over_file(tmp_path: Path) -> None:
    """Each place overrides the ones below it, setting by setting."""
    path = toml(tmp_path, "port = 1\nmax_jobs = 1\nmax_queued = 1\n")
    settings = load_settings({"port": 3, "host": None}, {"KINORA_PORT": "2", "KINORA_MAX_JOBS": "2"}, path)
    assert (settings.port, settings.max_jobs, settings.max_queued) == (3, 2, 1)
    assert settings.max_errors == Settings().max_errors


def test_the_file_in_the_current_folder_is_found(tmp_path: Path) -> None:
    """A ``kinora.toml`` beside the user is read without being named."""
    toml(tmp_path, "port = 4321\n")
    assert load_settings({}, {}).port == 4321


def test_paths_in_the_file_start_from_its_folder(tmp_path: Path) -> None:
    """A configuration file means the same in every current folder."""
    folder = tmp_path / "etc"
    folder.mkdir()
    path = toml(folder, 'media_dir = "clips"\nplugins_dir = "/plugins"\nplugin_files = ["a.py", "b.py"]\n')
    settings = load_settings({}, {}, path)
    assert settings.media_dir == folder / "clips"
    assert settings.plugins_dir == Path("/plugins")
    assert settings.plugin_files == (folder / "a.py", folder / "b.py")


def test_text_becomes_what_the_setting_is() -> None:
    """Variables are text; each is read as its setting's type."""
    env = {
        "KINORA_REALTIME": "off",
        "KINORA_SHUTDOWN_GRACE_S": "2.5",
        "KINORA_ALLOWED_HOSTS": "a.example,b.example",
        "KINORA_PLUGIN_FILES": "x.py,y.py",
        "KINORA_DATA_DIR": "~/data",
        "PATH": "/bin",
    }
    settings = load_settings({}, env)
    assert settings.realtime is False
    assert settings.shutdown_grace_s == 2.5
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.plugin_files == (Path("x.py"), Path("y.py"))
    assert settings.data_dir == Path.home() / "data"


def test_sizes_are_written_with_units_or_in_bytes(tmp_path: Path) -> None:
    """In all places, as ``kinora jobs prune --keep-bytes`` takes them."""
    path = toml(tmp_path, 'keep_bytes = "50G"\nmax_upload_bytes = 1000\nring_bytes = "32MiB"\n')
    settings = load_settings({"ring_bytes": "0.5G"}, {"KINORA_MIN_FREE_BYTES": "500MB"}, path)
    assert (settings.keep_bytes, settings.max_upload_bytes) == (50 * 2**30, 1000)
    assert (settings.ring_bytes, settings.min_free_bytes) == (2**29, 500 * 10**6)
    assert load_settings({}, {"KINORA_KEEP_BYTES": "50_000_000"}, path).keep_bytes == 50_000_000


def test_variables_of_the_commands_are_no_settings() -> None:
    """``KINORA_URL`` and ``KINORA_CONFIG`` belong to commands and are left to them."""
    env = {"KINORA_URL": "http://127.0.0.1:1", "KINORA_CONFIG": "x.toml"}
    assert load_settings({}, env) == Settings()


def test_a_flag_wins_over_a_broken_variable() -> None:
    """What is overridden need not be valid."""
    assert load_settings({"port": 3}, {"KINORA_PORT": "many"}).port == 3


SERVICE = {
    "KINORA_SERVICE_HOST": "10.0.0.1",
    "KINORA_SERVICE_PORT": "8000",
    "KINORA_SERVICE_PORT_HTTP": "8000",
    "KINORA_PORT": "tcp://10.0.0.1:8000",
    "KINORA_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "KINORA_PORT_8000_TCP_ADDR": "10.0.0.1",
}


def test_the_variables_of_a_service_are_passed_over() -> None:
    """A Kubernetes service called kinora stops nothing, and one sentence tells why its variables set nothing."""
    assert load_settings({}, SERVICE) == Settings()
    (said,) = passed_over({**SERVICE, "KINORA_URL": "http://127.0.0.1:1", "KINORA_MAX_JOBS": "3"})
    assert all(name in said for name in SERVICE)
    assert "Kubernetes" in said


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("KINORA_PROT", "KINORA_PROT: passed over, as there is no such setting; the nearest one is KINORA_PORT"),
        (
            "KINORA_MEDIADIR",
            "KINORA_MEDIADIR: passed over, as there is no such setting; the nearest one is KINORA_MEDI",
        ),
        ("KINORA_VERSION", "KINORA_VERSION: passed over, as there is no such setting"),
    ],
)
def test_unknown_variables_are_told(variable: str, said: str) -> None:
    """A variable that names no setting stops nothing, and is told, with the nearest name that there is."""
    assert load_settings({}, {variable: "1"}) == Settings()
    (sentence,) = passed_over({variable: "1"})
    assert sentence.startswith(said)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Notepad and PowerShell write one."""
    assert load_settings({}, {}, toml(tmp_path, "\ufeffport = 4321\n")).port == 4321


@pytest.mark.parametrize(("name", "said"), [("gone", "does not exist"), ("a.txt", "is not a folder")])
def test_folders_that_are_not_there_are_named(tmp_path: Path, name: str, said: str) -> None:
    """The error says which folder, and by which flag to name another one."""
    (tmp_path / "a.txt").write_text("")
    settings = Settings(media_dir=tmp_path / name)
    require_folders(settings, "models_dir", "plugins_dir")
    with pytest.raises(SettingsError, match=f"{name} {said}: name another folder as media_dir or with --media-dir"):
        require_folders(settings, "media_dir")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"KINORA_PORT": "many"}, "KINORA_PORT: must be a whole number, not 'many'"),
        ({"KINORA_PORT": "70000"}, "KINORA_PORT: 'port' must be <= 65535: 70000"),
        ({"KINORA_MAX_JOBS": "0"}, "KINORA_MAX_JOBS: 'max_jobs' must be >= 1: 0"),
        (
            {"KINORA_KEEP_BYTES": "50 gigs"},
            "KINORA_KEEP_BYTES: must be a size such as 10G, 500M or 1048576 bytes, not '50 gigs'",
        ),
        ({"KINORA_KEEP_BYTES": "-5"}, "KINORA_KEEP_BYTES: 'keep_bytes' must be >= 0: -5"),
        ({"KINORA_RING_BYTES": "0G"}, "KINORA_RING_BYTES: 'ring_bytes' must be >= 1: 0"),
        ({"KINORA_MAX_PIXELS": "50M"}, "KINORA_MAX_PIXELS: must be a whole number, not '50M'"),
        ({"KINORA_REALTIME": "maybe"}, "KINORA_REALTIME: must be true or false, not 'maybe'"),
        ({"KINORA_SHUTDOWN_GRACE_S": "nan"}, "KINORA_SHUTDOWN_GRACE_S: 'shutdown_grace_s' must be >= 0"),
        (
            {"KINORA_URL_HOSTS": "a.example,http://b.example"},
            "KINORA_URL_HOSTS: 'http://b.example' is not a host: write it",
        ),
        ({"KINORA_LOG_LEVEL": "loud"}, "KINORA_LOG_LEVEL: 'log_level' must be in"),
    ],
)
def test_wrong_variables_are_named(env: dict[str, str], said: str) -> None:
    """The error names the origin of the wrong value and the valid ones."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, env)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port =", "is not valid TOML"),
        ('port = "8000x"', "kinora.toml: port: must be a whole number, not '8000x'"),
        ("keep_bytes = 1.5", "kinora.toml: keep_bytes: must be a size such as 10G, 500M or 1048576 bytes, not 1.5"),
        ("keep_bytes = true", "kinora.toml: keep_bytes: must be a size such as 10G, 500M or 1048576 bytes, not True"),
        ("port = true", "kinora.toml: port: must be a whole number, not True"),
        ("plugins_dir = 3", "kinora.toml: plugins_dir: must be a path, not 3"),
        ("plugin_files = 3", "kinora.toml: plugin_files: must be a list, not 3"),
        (
            'allowed_hosts = ["kinora.example:8000"]',
            "kinora.toml: allowed_hosts: 'kinora.example:8000' is not the name of a host: write it as kinora.example, ",
        ),
        ("allowed_hosts = [3]", "kinora.toml: allowed_hosts: must be text, not 3"),
        ("colour = 'red'", "kinora.toml: colour: there is no setting 'colour'; there are: access_log, "),
        ("media_dirs = '.'", "workers_memory_mb; the nearest one is media_dir"),
        ("worker_env = ['*']", "kinora.toml: worker_env: '*' is not the name of a variable"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, said: str) -> None:
    """The error names the file and the key."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, {}, toml(tmp_path, text))
    assert said in str(caught.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A configuration file that was asked for and is missing is an error, not a default."""
    with pytest.raises(SettingsError, match=r"There is no configuration file .*other\.toml"):
        load_settings({}, {}, tmp_path / "other.toml")


def test_a_run_has_nothing_of_a_server(tmp_path: Path) -> None:
    """A run without a server starts no standing job, and posts to no webhook; its data are in its own folder."""
    written = '[webhooks.alarm]\nurl = "http://127.0.0.1:9/"\n[jobs.yard]\nsource = "demo:"\nplugins = ["motion"]\n'
    settings = load_settings({}, {}, toml(tmp_path, written))
    assert settings.jobs
    assert settings.webhooks
    plugin = tmp_path / "mine.py"
    run = settings_of_run(settings, tmp_path / "data", [plugin])
    assert (run.jobs, run.webhooks) == ({}, {})
    assert (run.data_dir, run.plugin_files) == (tmp_path / "data", (plugin,))
