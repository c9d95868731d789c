"""What jobs have found, in the forms that other programs read."""
