"""The settings of an installation: the fields, where their values come from, and what is checked of them.

``fields`` has the settings, and is all that a new one needs. ``values`` makes of a value as written the value of its
setting, ``conversion`` knows the types of values, ``tables`` those that are tables with names, ``sizes`` reads sizes
with units, ``variables`` knows the variables of the environment, ``reading`` puts all places together, ``checks`` looks
at what the settings name, ``of_run`` makes of a user's settings those of a run without a server.
"""

from kinora.settings.checks import password_faults as password_faults
from kinora.settings.checks import require_folders as require_folders
from kinora.settings.checks import require_usable_paths as require_usable_paths
from kinora.settings.checks import secret_faults as secret_faults
from kinora.settings.checks import source_limits as source_limits
from kinora.settings.fields import Settings as Settings
from kinora.settings.fields import SettingsError as SettingsError
from kinora.settings.reading import Reading as Reading
from kinora.settings.reading import load_settings as load_settings
from kinora.settings.reading import read_settings as read_settings
from kinora.settings.variables import passed_over as passed_over
