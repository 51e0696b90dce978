"""The plugin's program: the engine starts `python -m lab.plugins.kubernetes ENGINE_ADDRESS`."""

import threading

from lab.plugins.kubernetes.servicer import KubernetesServicer
from lab.plugins.server import serve_servicer

if __name__ == "__main__":
    cancelled = threading.Event()
    try:
        serve_servicer(
            lambda arguments, version, address: KubernetesServicer(arguments, version, address, cancelled),
            "pulumi_kubernetes",
        )
    finally:
        cancelled.set()  # or a wait under way would outlive the engine
