"""The command line, one file per command; ``main`` is the ``kinora`` command itself."""

from kinora.cli.main import main as main
