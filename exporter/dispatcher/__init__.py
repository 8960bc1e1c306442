"""The ByteSpike client: wire format, error taxonomy, limits and backoff, quota headers."""
