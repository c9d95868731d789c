"""Measurements, side by side with a peer or a physical limit; see docs/performance.md."""
