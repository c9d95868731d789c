"""The server's HTTP, WebSocket and SSE interface; it holds nothing of a job.

``server`` accepts a ``connection`` for each client and runs ``app`` for its requests. In front of the app stand
``proxies``, ``request_watch``, ``guard``, ``starting`` and ``access_gate``, in this order.
"""
