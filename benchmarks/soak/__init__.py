"""The soak: a server under changing load for half an hour, and what grows meanwhile."""
