"""Clips: a part of the video around each event, cut without decoding and kept with the job.

``clip_table`` has what is stored, ``clips`` is the actor that has clips cut; ``encoding``
has those encoded that browsers do not play.
"""
