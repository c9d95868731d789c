"""What is kept on the disk: jobs, their frames and events, tokens, and the room that is left."""
