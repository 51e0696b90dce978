"""A stand-in for the upstream pulumi-kubernetes plugin, as far as this project depends on it (see README.md)."""
