"""When each task is asked about next, and the loops that ask."""
