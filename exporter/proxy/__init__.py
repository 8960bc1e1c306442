"""The sidecar: requests pass to ByteSpike and answers back, unchanged, and what they say of tasks is learnt."""
