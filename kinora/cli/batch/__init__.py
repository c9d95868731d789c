"""``kinora run`` over many files.

sources (which files) → names (of their results) → outputs (the files that are written) and record (what is done
already) → rows (what is shown) → files (the jobs) → summing (the end).
"""
