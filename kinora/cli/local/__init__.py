"""A job in this process, as ``kinora run`` has it, and the files that it writes."""
