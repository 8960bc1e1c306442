"""HTTP: metrics, health, reload, and pages for people."""
