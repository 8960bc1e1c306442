"""The durable record: how each task ended, what is added up, and what a restart must know of the open ones."""
