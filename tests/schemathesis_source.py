"""The source of jobs that Schemathesis' process and the server's agree on; it imports nothing."""

SOURCE = "clip.mp4"
"""The file in the media folder that accepted jobs name."""
