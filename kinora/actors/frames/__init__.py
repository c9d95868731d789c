"""A frame on its way through a job: its ticket, its slot in the ring, its number and its time."""
