"""Vision tools: their interface, how they are found, and how they run.

Importing this package gives a plugin author all that is needed and loads nothing heavy. ``registry`` finds plugins,
``worker`` runs one in a process of its own, and ``forms`` has what their results may say.
"""

from kinora.plugins.api import DeviceError as DeviceError
from kinora.plugins.api import Frame as Frame
from kinora.plugins.api import Plugin as Plugin
from kinora.plugins.api import PluginContext as PluginContext
from kinora.plugins.api import PluginMetadata as PluginMetadata
from kinora.plugins.api import tool as tool
