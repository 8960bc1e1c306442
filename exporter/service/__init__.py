"""The exporter as a whole: the parts put together, started, reloaded and stopped."""
