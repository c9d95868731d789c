"""YOLO models, independent of the library that runs them.

metadata (what a model says of itself) → pictures (what goes in) → heads (how what comes out is laid out) → decoding
(boxes, scores and classes) → overlaps (each thing once).
"""
