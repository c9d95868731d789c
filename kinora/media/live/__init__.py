"""Live sources: cameras over HTTP, webcams, and pictures that a client pushes."""
