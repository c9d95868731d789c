"""Video files: what they say of themselves, their pictures, clips of them, and new ones."""
