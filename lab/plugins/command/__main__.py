"""Start as `python -m lab.plugins.command ENGINE_ADDRESS`; the engine does."""

from lab.plugins.command.provider import CommandProvider
from lab.plugins.server import serve

if __name__ == "__main__":
    serve(CommandProvider, "pulumi_command")
