"""A thin client of the Kubernetes API: any kind, plain dicts, connections kept for the next request.

The `kubernetes` package would do, but importing its generated models takes longer than a whole update of an object,
its dynamic client caches discovery in a world-readable place under a name that two labs share, and it writes the
client's private key to a file.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from lab.plugins.kubernetes.credentials import UnreachableError, authorization, tls_context
from lab.plugins.kubernetes.kubeconfig import Target
from lab.plugins.server import PluginError

Object = dict[str, Any]

CONNECT_SECONDS = 5.0
"""How long an API server may take to accept a connection and answer the first question."""
ANSWER_SECONDS = 60.0
"""How long a single request may take later on; the API server's own limit is the same."""


class ApiError(Exception):
    """A refusal by the API server. `code` is the HTTP status, `reason` its keyword (`AlreadyExists`, `Conflict`)."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        super().__init__(status.get("message") or status.get("reason") or f"the API server answered {code}")
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.details: Mapping[str, Any] = status.get("details") or {}

    @property
    def namespace_is_missing(self) -> bool:
        """Whether the object's namespace was not found, rather than the object itself."""
        return self.code == HTTPStatus.NOT_FOUND and self.details.get("kind") == "namespaces"


class UnknownKindError(PluginError):
    """The API server serves no such kind."""


@dataclass(frozen=True)
class Kind:
    """How a kind is addressed."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of one object, or of the collection when `name` is empty."""
        prefix = "/apis/" if "/" in self.api_version else "/api/"
        parts = ["namespaces", namespace or "default"] if self.namespaced else []
        parts += [self.plural, *([name] if name else [])]
        return prefix + "/".join(quote(part, safe="") for part in [*self.api_version.split("/"), *parts])


class Client:
    """The API server of one kubeconfig context. Safe for use from several threads."""

    def __init__(self, target: Target) -> None:
        self._target = target
        address = urlsplit(target.server)
        self._host, self._port = address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
        self._prefix = address.path.rstrip("/")
        self._tls = tls_context(target) if address.scheme == "https" else None
        self._headers = authorization(target.user)
        # The list's append and pop are atomic, so any thread may take the connection that was used last.
        self._idle: list[http.client.HTTPConnection] = []
        self._kinds: dict[tuple[str, str], Kind] = {}

    def version(self) -> str:
        """The API server's version; the cheapest proof that it is there and lets us in.

        Raises:
            UnreachableError: it is not, within `CONNECT_SECONDS`.
        """
        try:
            answer = self.request("GET", "/version", timeout=CONNECT_SECONDS)
        except ApiError as error:
            message = f"{self._target.server} (context {self._target.context!r}) answered {error.code}: {error}"
            raise UnreachableError(message) from error
        return str(answer.get("gitVersion", ""))

    def kind(self, api_version: str, kind: str) -> Kind:
        """How `kind` is addressed, by discovery.

        Raises:
            UnknownKindError: not served, e.g. because its CustomResourceDefinition is not there (yet).
        """
        known = self._kinds.get((api_version, kind))
        if known is None:
            self._discover(api_version)
            known = self._kinds.get((api_version, kind))
        if known is None:
            message = (
                f"the API server serves no kind {kind!r} in {api_version!r}; is its CustomResourceDefinition there?"
            )
            raise UnknownKindError(message)
        return known

    def _discover(self, api_version: str) -> None:
        prefix = "/apis/" if "/" in api_version else "/api/"
        try:
            served = self.request("GET", prefix + quote(api_version))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return
            raise
        for resource in served.get("resources", []):
            if "/" not in resource["name"]:
                found = Kind(api_version, resource["name"], bool(resource["namespaced"]))
                self._kinds[api_version, resource["kind"]] = found

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object; raises `ApiError` 404 if it does not exist."""
        return self.request("GET", kind.path(namespace, name))

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def members(self, kind: Kind, namespace: str, selector: str = "") -> list[Object]:
        """The objects of a namespace that carry the labels of `selector` (`a=b,c=d`)."""
        query = {"labelSelector": selector} if selector else {}
        return list(self.request("GET", kind.path(namespace), query=query).get("items") or [])

    def create(self, kind: Kind, namespace: str, body: Object, *, manager: str, dry_run: bool) -> Object:
        """POST: an existing object is an error."""
        query = {"fieldManager": manager, **_dry(dry_run)}
        return self.request("POST", kind.path(namespace), body=body, query=query)

    def apply(
        self, kind: Kind, namespace: str, name: str, body: Object, *, manager: str, force: bool, dry_run: bool
    ) -> Object:
        """Server-side apply. JSON is YAML, so the body is sent as JSON under the one media type there is for this."""
        query = {"fieldManager": manager, "force": str(force).lower(), **_dry(dry_run)}
        return self.request(
            "PATCH", kind.path(namespace, name), body=body, query=query, media_type="application/apply-patch+yaml"
        )

    def json_patch(self, kind: Kind, namespace: str, name: str, patch: list[Object]) -> Object:
        """A JSON patch (RFC 6902)."""
        path = kind.path(namespace, name)
        return self.request("PATCH", path, body=patch, media_type="application/json-patch+json")

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        """Request deletion, which may take a while."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self.request("DELETE", kind.path(namespace, name), body=body)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        media_type: str = "application/json",
        timeout: float = ANSWER_SECONDS,
    ) -> Object:
        """One request and its decoded answer.

        Raises:
            ApiError: the API server refused.
            UnreachableError: there was no answer.
        """
        url = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": media_type, **self._headers}
        code, answer = self._exchange(method, url, payload, headers, timeout)
        try:
            decoded = json.loads(answer) if answer else {}
        except ValueError:
            decoded = {"message": answer.decode(errors="replace").strip()}
        if code >= HTTPStatus.BAD_REQUEST:
            raise ApiError(code, decoded)
        return dict(decoded)

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(
        self, method: str, url: str, payload: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, bytes]:
        kept = self._kept()
        while True:
            connection = kept or self._connect(timeout)
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                connection.request(method, url, payload, dict(headers))
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The server closes idle connections, so only a failure of a new connection is an error.
                if kept is not None and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    kept = None
                    continue
                reason = f"{self._target.server} (context {self._target.context!r}): {error or type(error).__name__}"
                raise UnreachableError(reason) from error
            if response.will_close:
                connection.close()
            else:
                self._idle.append(connection)
            return response.status, answer

    def _kept(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        limit = min(timeout, CONNECT_SECONDS)
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=limit)
        return http.client.HTTPSConnection(self._host, self._port, timeout=limit, context=self._tls)


def _dry(dry_run: bool) -> dict[str, str]:  # noqa: FBT001  # private, one meaning, beside its only callers
    return {"dryRun": "All"} if dry_run else {}
