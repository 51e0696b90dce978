"""The operator's commands: they read what the program deployed, and never change what it manages."""
