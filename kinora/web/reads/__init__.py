"""The reading lane, which answers plain GETs without Hypercorn and Quart."""
