"""The plugin's program: the engine starts `python -m lab.plugins.command ENGINE_ADDRESS`."""

from lab.plugins.command.provider import CommandProvider
from lab.plugins.server import serve

if __name__ == "__main__":
    serve(CommandProvider, "pulumi_command")
