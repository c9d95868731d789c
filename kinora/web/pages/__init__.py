"""The pages that browsers show: the built web UI, and the server's own."""
