"""The tokens that let clients in."""
