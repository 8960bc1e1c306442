"""bytespike-exporter: ByteSpike's generation tasks as Prometheus metrics, each outcome counted once."""
