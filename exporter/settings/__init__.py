"""What the YAML may say, the validated settings, and a reload as a diff."""
