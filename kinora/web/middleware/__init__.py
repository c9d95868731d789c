"""What stands around the app: proxies, the wait for the start, the access log, and the figures of requests."""
