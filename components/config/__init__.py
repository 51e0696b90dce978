"""The stack's configuration: what the user wrote, checked, as frozen models."""
