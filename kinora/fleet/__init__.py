"""The server's side of agents, and what both sides say to each other."""
