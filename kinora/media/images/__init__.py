"""Image files and folders of them: their headers are read first, then their pictures."""
