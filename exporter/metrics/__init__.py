"""The catalogue of every family, what has been added up, and how it is shown."""
