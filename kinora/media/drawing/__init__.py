"""Draws plugins' results into a picture, as the web UI does (draw/)."""

from kinora.media.drawing.overlay import draw as draw
