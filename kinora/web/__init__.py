"""The server's HTTP, WebSocket and SSE interface; it holds no state of its own."""
