"""The documentation, read as its readers read it."""
