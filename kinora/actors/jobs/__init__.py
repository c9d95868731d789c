"""Jobs: the line in which they wait, the place where each runs, and their one end."""
