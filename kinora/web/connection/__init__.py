"""The listening sockets and the connections with all their bytes: HTTP/1.1, TLS and WebSockets, on Hypercorn."""
