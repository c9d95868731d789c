"""What people write on the command line: flags that commands share, their values, and what was meant."""
