"""Frames and states in memory that several processes share."""
