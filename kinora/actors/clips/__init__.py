"""Clips: a part of the video around each event, cut without decoding and kept with the job.

``clip_table`` has what is stored. ``clips`` is the actor that has clips cut out of files, and ``live_clips`` has them
made of what is kept of live sources. ``encoding`` has those encoded that browsers do not play.
"""
