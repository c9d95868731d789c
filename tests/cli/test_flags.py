"""Errors of a request in the words of the command line."""

from __future__ import annotations

import pytest

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags.flag_names import flag_of
from kinora.cli.flags.options import plugin_requests
from kinora.cli.process.errors import for_user, naming_flags
from kinora.client.errors import refused
from kinora.plugins.builtin.motion import Motion
from kinora.plugins.options import check_options


@pytest.mark.parametrize(
    ("path", "flag"),
    [
        ("source", "SOURCE"),
        ("plugins", "-p"),
        ("device_requested", "--device"),
        ("options.max_frames", "--max-frames"),
        ("options.plugin_timeout_ms", "--plugin-timeout"),
        ("status", "--status"),
        ("plugins[1]", "-p faces"),
        ("plugins[1].name", "-p faces"),
        ("plugins[1].options.min_size", "-o faces.min_size"),
        ("plugins[0].options.region.z", "-o motion.region.z"),
        ("plugins[0].options", "-o motion"),
        ("plugins[0].options.every", "-o motion.every"),
        ("plugins[1].every", "--every faces"),
        ("plugins[0].side", "--side motion"),
        ("plugins[1].replicas", "--replicas faces"),
        ("plugins[7].options.size", "-o (plugin 8).size"),
    ],
)
def test_a_place_is_said_by_its_flag(path: str, flag: str) -> None:
    """Each place of a request is named as on the command line."""
    assert flag_of(path, ["motion", "faces"]) == flag


def test_a_refused_request_names_flags_only() -> None:
    """The server's general sentence is left out where the places say all."""
    body = b'{"detail": "The request is not valid.", "errors": [{"path": "options.stride", "message": "must be 1"}]}'
    with pytest.raises(Misuse, match=r"^--stride: must be 1$"), naming_flags(["motion"]):
        raise refused(422, body)
    found = for_user(refused(422, body))
    assert (type(found), str(found)) == (Misuse, "--stride: must be 1")


def test_a_sentence_about_the_source_stands_alone() -> None:
    """It names the source itself; a message that does not gets its place."""
    said = [FieldError("source", "a.mp4 is empty; copy it again."), FieldError("source", "must be text")]
    assert [str(for_user(InvalidRequest("No.", [error]))) for error in said] == [
        "a.mp4 is empty; copy it again.",
        "SOURCE: must be text",
    ]


def test_other_refusals_stay_as_they_are() -> None:
    """Without places the server's sentence is the message; a program that reads them sees both."""
    found = for_user(refused(503, b'{"detail": "The server is busy."}'))
    assert (type(found), str(found)) == (Failed, "The server is busy.")
    assert str(refused(422, b'{"detail": "No.", "errors": [{"path": "a", "message": "b"}]}')) == "No. a: b"


def test_a_cut_list_says_that_it_is_cut() -> None:
    """With more errors than are listed, the sentence that says so stays."""
    error = InvalidRequest("The request is not valid.", [FieldError("options.stride", "must be 1")] * 60)
    assert str(for_user(error)).startswith(
        "The request is not valid. Only 50 of at least 60 errors are listed. --stride"
    )


def test_an_unknown_plugin_of_a_server_comes_with_what_helps() -> None:
    """It may know plugins that came after its start only once it has looked again."""
    body = (
        b'{"detail": "No.", "errors": [{"path": "plugins[0]", "message": "there is no \'mine\'. Did you mean men?"}]}'
    )
    said = r"^-p mine: there is no 'mine'\. Did you mean men\? If its .* kinora plugins reload$"
    with pytest.raises(Misuse, match=said), naming_flags(["mine"]):
        raise refused(422, body)


def test_the_example_of_an_option_is_one_that_its_plugin_takes() -> None:
    """Copied from the sentence, it works."""
    with pytest.raises(Misuse) as said:
        plugin_requests(["motion"], ["size=3"])
    example = str(said.value).rpartition(" -o ")[2]
    (request,) = plugin_requests(["motion"], [example])
    check_options(Motion.metadata, request["options"])


def test_a_value_that_begins_as_json_is_json() -> None:
    """A list without its quotes is refused with its place, and not taken for text; other text needs no quotes."""
    with pytest.raises(Misuse, match=r"^-o zones\.zones: is not JSON: Expecting property name"):
        plugin_requests(["zones"], ["zones.zones=[{name: door}]"])
    taken = plugin_requests(["ocr"], ["ocr.a=de,fr", 'ocr.b="[x"'])
    assert taken == [{"name": "ocr", "options": {"a": "de,fr", "b": "[x"}}]


def test_turns_are_given_by_plugin() -> None:
    """Like its options, each by the plugin's name."""
    turns = {"every": ["faces=10"], "side": ["faces"], "replicas": ["motion=2"]}
    assert plugin_requests(["motion", "faces"], ["faces.min_size=40"], **turns) == [
        {"name": "motion", "options": {}, "replicas": 2},
        {"name": "faces", "options": {"min_size": 40}, "every": 10, "side": True},
    ]


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("every", "faces", r"^--every faces: write it as PLUGIN=N, for example --every faces=10$"),
        ("every", "faces=x", r"^--every faces=x: write it as PLUGIN=N"),
        ("every", "people=2", r"^--every people=2: plugin 'people' is not in this job; its plugins are motion, faces$"),
        ("side", "people", r"^--side people: plugin 'people' is not in this job"),
        ("replicas", "faces", r"^--replicas faces: write it as PLUGIN=N, for example --replicas people=2$"),
        ("replicas", "people=2", r"^--replicas people=2: plugin 'people' is not in this job"),
    ],
)
def test_wrong_turns_are_refused_with_what_to_write(flag: str, value: str, said: str) -> None:
    """Before anything is asked of a server."""
    with pytest.raises(Misuse, match=said):
        plugin_requests(["motion", "faces"], [], **{flag: [value]})
