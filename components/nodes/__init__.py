"""The nodes: their trust in the registry, and the proof that each can pull from it."""
