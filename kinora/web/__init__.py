"""The faces: turns HTTP, WebSocket and SSE into messages and back; holds no state of its own."""
