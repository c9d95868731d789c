"""Processes and the machine, as Linux shows, limits and ends them."""
