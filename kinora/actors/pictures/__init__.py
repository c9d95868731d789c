"""Pictures that clients ask for, each made in a process of its own: stills, and videos with results drawn in."""
