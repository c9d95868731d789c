"""The kit of plugin authors: ``new_plugin`` writes the first files, from the texts in ``templates``."""
