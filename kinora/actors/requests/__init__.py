"""What clients and the operator ask for, and how it is read."""
