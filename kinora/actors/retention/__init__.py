"""Deletes what is no longer to be kept."""
