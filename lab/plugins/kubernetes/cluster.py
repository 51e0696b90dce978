"""The cluster of a provider, contacted only when it is needed, since a run without changes does not need it."""

import threading
from collections.abc import Callable

from lab.plugins.kubernetes import kubeconfig
from lab.plugins.kubernetes.client import Client
from lab.plugins.kubernetes.credentials import UnreachableError
from lab.plugins.kubernetes.kubeconfig import KubeconfigError, Target
from lab.plugins.kubernetes.settings import Settings


class Cluster:
    """One cluster for the life of the plugin process. A cluster that did not answer once is not asked again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._failure: str | None = None

    def client(self) -> Client:
        """The client of the cluster.

        Raises:
            UnreachableError: no usable kubeconfig, or no answer.
        """
        with self._lock:
            if self._failure is None and self._client is None:
                self._attempt(self._connected)
            if self._client is None:
                message = f"the Kubernetes cluster is unreachable: {self._failure}"
                raise UnreachableError(message)
            return self._client

    def default_namespace(self) -> str:
        """The namespace of objects that name none: the provider's, else the context's, else `default`."""
        if self._settings.namespace:
            return self._settings.namespace
        try:
            return self._target().namespace
        except KubeconfigError:
            return "default"

    def _attempt(self, connect: Callable[[], Client]) -> None:
        try:
            self._client = connect()
        except (KubeconfigError, UnreachableError) as error:
            self._failure = str(error)

    def _connected(self) -> Client:
        client = Client(self._target())
        client.version()
        return client

    def _target(self) -> Target:
        settings = self._settings
        return kubeconfig.resolve(settings.kubeconfig, settings.context, settings.cluster)
