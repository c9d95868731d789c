"""What the commands that are clients of a server share: how they reach it, and how jobs are named."""
