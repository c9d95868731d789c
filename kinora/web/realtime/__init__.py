"""The realtime feed: ``/v1/realtime`` over WebSocket and as server-sent events."""
