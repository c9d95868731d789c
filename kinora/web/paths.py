"""The addresses that parts of the server beside their own routes know."""

UI_PAGES = ("/", "/demo", "/ui-kit")
"""The addresses of the web UI's pages. They hold no data, so a link on another site may open them."""
REALTIME = "/v1/realtime"
"""The address of the realtime feed, over WebSocket and as an event stream."""
