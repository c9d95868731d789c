"""What the server writes into its log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from kinora.serve import open_server
from kinora.settings import Settings
from kinora.web import stack
from tests.client_kit import get


async def test_a_server_on_other_libraries_says_so_and_serves(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit the connection layer is a warning at the start, and requests are answered all the same."""
    monkeypatch.setattr(stack, "HYPERCORN", "9.9.")
    with capture_logs() as lines:
        async with open_server(settings) as server:
            assert (await get(f"{server.url}/v1/health")).status == 200
    assert [(line["log_level"], line["event"]) for line in lines] == [("warning", "the connection layer may not work")]
    assert "Kinora needs 9.9.*" in lines[0]["reason"]
