"""The plugin's program: the engine starts `python -m lab.plugins.tls ENGINE_ADDRESS`."""

from lab.plugins.server import serve
from lab.plugins.tls.provider import TlsProvider

if __name__ == "__main__":
    serve(lambda _log: TlsProvider(), "pulumi_tls")
