"""Settings, the client and the command line."""
