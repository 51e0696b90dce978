"""The provider's operations on objects, independent of the engine's protocol (which `servicer` implements)."""

import threading
import time
from http import HTTPStatus
from typing import Final, final

from lab.plugins.kubernetes import naming, ownership, settings
from lab.plugins.kubernetes.awaiting import Awaiter, NotReadyError, Say
from lab.plugins.kubernetes.client import ApiError, Client, Kind, Object, UnknownKindError
from lab.plugins.kubernetes.cluster import Cluster
from lab.plugins.kubernetes.credentials import UnreachableError
from lab.plugins.kubernetes.diffing import Difference, difference, keep_ignored, normalized, prune
from lab.plugins.kubernetes.outcomes import (
    UNREACHABLE_HINT,
    PartialError,
    checkpoint,
    explained,
    hidden,
    importable,
    not_created,
    without_hidden,
)
from lab.plugins.kubernetes.properties import Properties
from lab.plugins.kubernetes.settings import Settings
from lab.plugins.server import PluginError
from lab.plugins.values import has_unknown

_WAIT_FOR: Final = "pulumi.com/waitFor"
_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
_CREATE_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Pauses in seconds before a create is tried again because its namespace or kind does not exist yet."""


@final
class KubernetesProvider:
    """Plain objects of any kind in one cluster. Operations may run in several threads at once."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._settings = Settings()
        self._cluster = Cluster(self._settings)

    def configure(self, inputs: Properties) -> None:
        """Store the provider's inputs, without contacting the cluster."""
        self._settings = Settings.of(inputs.plain)
        self._cluster = Cluster(self._settings)

    def check(
        self, urn: str, token: str, old_inputs: Properties, news: Properties, seed: bytes
    ) -> tuple[Properties, dict[str, str]]:
        """The inputs with name and namespace filled in, and problems by property."""
        refusal = naming.refusal(token)
        if refusal is not None:
            return news, {"": refusal}
        inputs = naming.named({key: v for key, v in news.plain.items() if v is not None}, old_inputs.plain, urn, seed)
        problems = {}
        if _WAIT_FOR in naming.annotations_of(inputs):
            problems["metadata.annotations"] = f"{_WAIT_FOR} is not covered by the stand-in; use upstream's plugin"
        metadata = inputs.get("metadata") or {}
        if metadata.get("generateName"):
            problems["metadata.generateName"] = "not possible with server-side apply; set metadata.name or neither"
        kind = str(inputs.get("kind"))
        if not metadata.get("namespace") and not naming.is_cluster_scoped(kind):
            inputs = {**inputs, "metadata": {**metadata, "namespace": self._cluster.default_namespace()}}
        return Properties.around(inputs, news.secrets), problems

    def diff(self, old_state: Properties, old_inputs: Properties, news: Properties, ignored: list[str]) -> Difference:
        """What an update would change; needs no cluster."""
        return difference(
            without_hidden(old_state.plain),
            old_inputs.plain,
            news.plain,
            ignored=ignored,
            secret_mutable=self._settings.secret_mutable,
            config_map_mutable=self._settings.config_map_mutable,
        )

    def create(self, urn: str, news: Properties, *, timeout: float, say: Say, preview: bool) -> tuple[str, Properties]:
        """Create an object and wait for it; in a preview, ask the API server what it would be, if it answers.

        Raises:
            PartialError: created, but not ready in time.
            PluginError: not created.
        """
        if preview:
            return "", self._preview_create(urn, news)
        client, body = self._cluster.client(), dict(news.plain)
        state = {ownership.STATE_KEY: ownership.manager({}, body)}
        live = self._created(client, urn, body, say)
        try:
            live = Awaiter(client, self._cancelled).until_ready(live, body, updating=False, timeout=timeout, say=say)
        except NotReadyError as error:
            message = f'resource "{urn}" was created, but is not ready: {error}'
            outputs = checkpoint(error.live, news, state)
            raise PartialError(message, naming.object_id(live), outputs, None, error.reasons) from error
        return naming.object_id(live), checkpoint(live, news, state)

    def _preview_create(self, urn: str, news: Properties) -> Properties:
        if has_unknown(news.plain):
            return news
        body = dict(news.plain)
        try:
            client = self._cluster.client()
            kind = client.kind(body["apiVersion"], body["kind"])
            live = client.create(kind, _namespace(body, kind), body, manager=ownership.CREATOR, dry_run=True)
        except (UnreachableError, UnknownKindError):
            return news
        except ApiError as error:
            # Only the real run can decide these: a namespace not yet created, an object to be replaced, no permission.
            if error.namespace_is_missing or error.code == HTTPStatus.FORBIDDEN or error.reason == "AlreadyExists":
                return news
            raise not_created(urn, error) from error
        # An empty status would break programs that read it in a preview.
        return checkpoint({key: value for key, value in live.items() if key != "status"}, news, {})

    def _created(self, client: Client, urn: str, body: Object, say: Say) -> Object:
        for pause in (*_CREATE_PAUSES, None):
            try:
                kind = client.kind(body["apiVersion"], body["kind"])
                return client.create(kind, _namespace(body, kind), body, manager=ownership.CREATOR, dry_run=False)
            except (UnknownKindError, ApiError) as error:
                missing = isinstance(error, UnknownKindError) or error.code == HTTPStatus.NOT_FOUND
                if pause is None or not missing:
                    raise not_created(urn, error) from error
                say(f"creation failed, trying again: {error}")
                time.sleep(pause)
        raise AssertionError

    def read(
        self, urn: str, object_id: str, old_state: Properties, old_inputs: Properties
    ) -> tuple[str, Properties, Properties]:
        """The object as it is, and of it what the inputs set; an empty ID if it is gone.

        Raises:
            PartialError: it is there but not ready.
            PluginError: the cluster does not answer.
        """
        try:
            client = self._cluster.client()
        except UnreachableError as error:
            if self._settings.delete_unreachable:
                return "", Properties(), Properties()
            if self._settings.skip_update_unreachable:
                return object_id, old_state, old_inputs
            message = f"{error}\n{UNREACHABLE_HINT}"
            raise PluginError(message) from error
        live = self._found(client, urn, object_id, old_state, old_inputs)
        if live is None:
            return "", Properties(), Properties()
        inputs = prune(live, normalized(old_inputs.plain)) if old_inputs.plain else importable(live)
        state = hidden(old_state.plain)
        state.setdefault(ownership.STATE_KEY, ownership.manager({}, inputs))
        outputs, new_inputs = checkpoint(live, old_inputs, state), Properties.around(inputs, old_inputs.secrets)
        try:
            if old_inputs.plain:
                Awaiter(client, self._cancelled).check(live, old_inputs.plain)
        except NotReadyError as error:
            raise PartialError(str(error), object_id, outputs, new_inputs, error.reasons) from error
        except ApiError as error:
            raise _not_read(urn, error) from error
        return object_id, outputs, new_inputs

    def _found(
        self, client: Client, urn: str, object_id: str, old_state: Properties, old_inputs: Properties
    ) -> Object | None:
        known = old_inputs.plain if old_inputs.plain.get("kind") else old_state.plain
        api_version, name = str(known.get("apiVersion") or ""), str(known.get("kind") or "")
        if not name:
            api_version, name = naming.type_of(urn)
        try:
            return client.find(client.kind(api_version, name), *naming.split_id(object_id))
        except UnknownKindError:
            return None  # its definition was deleted, and all of its objects with it
        except ApiError as error:
            raise _not_read(urn, error) from error

    def update(
        self,
        urn: str,
        old_state: Properties,
        news: Properties,
        ignored: list[str],
        *,
        timeout: float,
        say: Say,
        preview: bool,
    ) -> Properties:
        """Change an object in place and wait for it.

        Raises:
            PartialError: not changed, or changed but not ready in time. The state keeps the object as it is.
            PluginError: the object is not there, or the cluster does not answer.
        """
        body = normalized(news.plain)
        if preview and has_unknown(body):
            return news
        try:
            client = self._cluster.client()
            kind = client.kind(body["apiVersion"], body["kind"])
        except (UnreachableError, UnknownKindError):
            if preview:
                return news
            raise
        namespace, name = _namespace(body, kind), naming.name_of(old_state.plain) or naming.name_of(body)
        manager = ownership.manager(old_state.plain, body)
        state = {
            **hidden(old_state.plain),
            ownership.STATE_KEY: manager,
        }
        try:
            live = client.get(kind, namespace, name)
        except ApiError as error:
            message = f'update of resource "{urn}" failed: {error}'
            raise PluginError(message) from error
        try:
            if not preview:
                live = ownership.take_over(client, kind, live, manager)
            force = ownership.forces(body, live, provider_forces=self._settings.patch_force, preview=preview)
            keep_ignored(body, live, ignored)
            live = client.apply(kind, namespace, name, body, manager=manager, force=force, dry_run=preview)
            if not preview:
                awaiter = Awaiter(client, self._cancelled)
                live = awaiter.until_ready(live, body, updating=True, timeout=timeout, say=say)
        except (ApiError, NotReadyError) as error:
            if preview and isinstance(error, ApiError) and error.code == HTTPStatus.FORBIDDEN:
                return news
            live = error.live if isinstance(error, NotReadyError) else _now(client, kind, live)
            reasons = error.reasons if isinstance(error, NotReadyError) else ()
            object_id = naming.object_id(live)
            message = f'{body["kind"]} "{object_id}" is not as the program asks for: {explained(error, manager)}'
            outputs = checkpoint(live, news, state)
            raise PartialError(message, object_id, outputs, None, reasons) from error
        return checkpoint(live, news, state)

    def delete(
        self, object_id: str, old_state: Properties, old_inputs: Properties, *, timeout: float, say: Say
    ) -> None:
        """Delete an object and wait until it is gone; one already gone is fine.

        Raises:
            PartialError: still there after the time limit.
            PluginError: refused, or the cluster does not answer.
        """
        try:
            client = self._cluster.client()
        except UnreachableError as error:
            if self._settings.delete_unreachable:
                say(f"{error}; deleting the resource from the state, as deleteUnreachable says", warning=True)
                return
            message = f"{error}\n{UNREACHABLE_HINT}"
            raise PluginError(message) from error
        namespace, name = naming.split_id(object_id)
        state = old_state.plain
        propagation = str(naming.annotations_of(old_inputs.plain).get(_PROPAGATION, "")).capitalize()
        try:
            kind = client.kind(str(state["apiVersion"]), str(state["kind"]))
            live = client.find(kind, namespace, name)
            if live is None:
                return
            known = propagation if propagation in ("Orphan", "Background") else "Foreground"
            client.delete(kind, namespace, name, known)
            Awaiter(client, self._cancelled).until_gone(live, old_inputs.plain, timeout=timeout, say=say)
        except UnknownKindError:
            return  # its definition was deleted, and all of its objects with it
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return
            message = f'deleting {state["kind"]} "{object_id}" failed: {error}'
            raise PluginError(message) from error
        except NotReadyError as error:
            outputs = checkpoint(error.live, old_inputs, hidden(state))
            raise PartialError(str(error), object_id, outputs, None, error.reasons) from error


def provider_problems(inputs: Properties) -> dict[str, str]:
    """The provider's inputs that the stand-in does not support, by property."""
    return settings.problems(inputs.plain)


def _now(client: Client, kind: Kind, live: Object) -> Object:
    """The object after a failed update, or its last known version if it cannot be read."""
    try:
        return client.find(kind, naming.namespace_of(live), naming.name_of(live)) or live
    except (ApiError, UnreachableError):
        return live


def _namespace(body: Object, kind: Kind) -> str:
    """The namespace for the URL; an object of a kind without one loses what the inputs have of it."""
    if kind.namespaced:
        return naming.namespace_of(body) or "default"
    if naming.namespace_of(body):
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key != "namespace"}
    return ""


def _not_read(urn: str, error: ApiError) -> PluginError:
    return PluginError(f'reading "{urn}" failed: {error}')
