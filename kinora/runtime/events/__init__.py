"""Numbered events for many subscribers: published once, queued for each within bounds, and replayed."""
