"""The clients that are connected, and the messages to them."""
