"""The alerts: one file for each thing that can be wrong."""
