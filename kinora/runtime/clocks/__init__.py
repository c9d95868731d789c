"""Clocks and what ends by them: leases, and the pauses between attempts."""
