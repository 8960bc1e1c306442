"""The operator's half: recording rules, alerts and their pages, written once in Python and printed for Prometheus."""
