"""What a request says, and its body, read within bounds."""
