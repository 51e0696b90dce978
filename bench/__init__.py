"""How fast nodes are configured, against what it costs at least and against the guide's own commands."""
