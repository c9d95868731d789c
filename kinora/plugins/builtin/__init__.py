"""The plugins that come with Kinora; each is an ordinary plugin, found by its entry point."""
