"""A program of its own, run by the engine from this folder."""
