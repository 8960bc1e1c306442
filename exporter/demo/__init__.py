"""The demo: simulator and exporter as processes of their own, and a stream of tasks between them."""
