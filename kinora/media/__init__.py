"""What a source of pictures is, and how pictures are read, drawn and written."""
