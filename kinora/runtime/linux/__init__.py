"""What Linux says of processes and of the machine, and has done to them. No module here needs another room."""
