"""Measures how well the ``tracker`` plugin keeps ids, beside plain ByteTrack and the tracker that Kinora had before.

    python -m benchmarks.tracking

The scenes are made here, so that the truth is known to the pixel. See docs/tracking.md for what came out.
"""
