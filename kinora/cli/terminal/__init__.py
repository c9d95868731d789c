"""What is shown on the terminal: lines, tables, bars, and a job summed up."""
