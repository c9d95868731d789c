"""Kinora runs computer-vision plugins over images and video and shows what happens while it happens.

Four rooms, from the ground up; no import runs upwards (``make check`` holds it so):

* :mod:`kinora.runtime`: how things run; knows nothing of jobs, plugins or the web
* :mod:`kinora.plugins`: what a vision tool is, and where tools and frames come from
* :mod:`kinora.actors`: the system at work, one file per actor
* :mod:`kinora.web`: REST, WebSocket and SSE

On top of them stand ``kinora.system``, which builds the tree of actors, and ``kinora.cli``.
"""

__version__ = "0.1.0"
