"""The kit of plugin authors.

``new_plugin`` writes the first files, from the texts in ``templates``. ``check`` runs a plugin and puts the
``questions`` to it, each in a process of its own by ``asking`` and ``question_worker``; ``comparing`` says whether two
runs gave the same. ``shown`` has what clients see.
"""
