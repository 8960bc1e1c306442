"""The Grafana dashboards: one module each, which prints its JSON, and the few helpers they are written with."""
