"""The parts of the example: what it reads from the registry's stack, and what it makes of that."""
