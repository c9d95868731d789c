"""Sources of pictures, and the reading, drawing and writing of pictures."""
