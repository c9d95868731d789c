"""Encoded packets, which are made for FFmpeg's decoders or kept for clips."""
