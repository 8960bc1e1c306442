"""The API: tasks are registered, looked at and given up, and callbacks are taken as hints."""
