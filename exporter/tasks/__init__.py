"""The domain: what a task is, what is observed of it, and what follows. It imports nothing else of the project."""
