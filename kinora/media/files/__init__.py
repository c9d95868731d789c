"""Files on the disk: which can be read, how they are opened, and how they are written whole."""
