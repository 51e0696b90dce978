"""Measures how fast nodes are configured, compared with the minimum cost and with the guide's own commands."""
