"""What ends a command without a stack trace."""


class OpsError(Exception):
    """The command cannot do what the user asked for; the message says what was found, the rule and the remedy."""
