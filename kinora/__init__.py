"""Kinora runs computer-vision plugins over images and video and shows what happens while it happens.

Its floors, from the ground up; no import runs upwards, as ``make check`` proves:

* :mod:`kinora.runtime`: how things run; knows nothing of jobs, plugins or the web
* :mod:`kinora.plugins`: what a vision tool is, how it is found, and how it runs
* :mod:`kinora.media`: what a source is, and how pictures are read, drawn and written
* :mod:`kinora.actors`: the system at work
* :mod:`kinora.settings`: what an operator chooses
* ``kinora.system``: builds the tree of actors, with the data folder and the preloading of its workers
* :mod:`kinora.web`: REST, WebSocket and SSE
* ``kinora.serve``, :mod:`kinora.doctor` and :mod:`kinora.cli`: a whole server, what is checked beforehand, the commands

:mod:`kinora.client` stands beside them and needs none of them.
"""

__version__ = "0.1.0"
