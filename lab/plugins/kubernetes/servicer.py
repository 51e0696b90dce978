"""The engine's protocol around `KubernetesProvider`.

The SDK's servicer is the base (plugin information, cancelling, what is not implemented), but its own operations are
too narrow for this provider, so that each is overridden:

- its requests leave out an object's old inputs, on which diff, refresh, update and delete rest here;
- it cannot say that an object is there but not ready (`ErrorResourceInitFailed`), which keeps the object in the state;
- an operation of its providers blocks the event loop and with it every other resource; here each runs in a thread;
- its DiffConfig fails on every detailed difference, and each of its errors ends in a Python stack trace.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

import grpc  # type: ignore[import-untyped]  # the stubs are a package of their own
from google.protobuf import empty_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.plugins.kubernetes.awaiting import Say
from lab.plugins.kubernetes.client import ApiError
from lab.plugins.kubernetes.diffing import Change, Difference
from lab.plugins.kubernetes.outcomes import PartialError
from lab.plugins.kubernetes.properties import Properties
from lab.plugins.kubernetes.provider import KubernetesProvider, provider_problems
from lab.plugins.kubernetes.settings import config_difference
from lab.plugins.server import EngineLog, PluginError
from lab.plugins.values import render_path

Result = TypeVar("Result")

_THREADS: Final = ThreadPoolExecutor(max_workers=64, thread_name_prefix="operation")
"""The number of simultaneous operations, as many as an engine may request: they mostly wait."""
_LOG: Final = logging.getLogger(__name__)

_KINDS: Final = {
    (Change.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Change.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Change.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Change.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Change.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Change.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class KubernetesServicer(ProviderServicer):
    """Serves one provider; setting `cancelled` ends all its waits."""

    def __init__(self, args: list[str], version: str, engine_address: str, cancelled: threading.Event) -> None:
        super().__init__(args, version, _Unused(), engine_address)
        self._cancelled = cancelled
        self._kubernetes = KubernetesProvider(cancelled)
        self._log = EngineLog(engine_address)

    async def cancel(self, request: Any, context: Any) -> Any:
        """End every wait."""
        del request, context
        self._cancelled.set()
        return empty_pb2.Empty()

    async def check_config(self, request: Any, context: Any) -> Any:
        """Refuse provider options that the stand-in cannot honour."""
        del context
        failures = _failures(provider_problems(Properties.of(request.news)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    async def diff_config(self, request: Any, context: Any) -> Any:
        """Whether a change of the provider's options replaces its objects."""
        del context
        found = config_difference(Properties.of(request.olds).plain, Properties.of(request.news).plain)
        some = provider_pb2.DiffResponse.DIFF_SOME if found.changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=found.changed, replaces=found.replacing)

    async def configure(self, request: Any, context: Any) -> Any:
        """Store the provider's options; the cluster is contacted when first needed."""
        del context
        self._kubernetes.configure(Properties.of(request.args))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def check(self, request: Any, context: Any) -> Any:
        """Fill in name and namespace."""

        def check() -> tuple[Properties, dict[str, str]]:
            token = request.urn.split("::")[2].rsplit("$", 1)[-1]
            olds, news = Properties.of(request.olds), Properties.of(request.news)
            return self._kubernetes.check(request.urn, token, olds, news, request.randomSeed)

        inputs, problems = await _run(context, check)
        return provider_pb2.CheckResponse(inputs=inputs.wire(), failures=_failures(problems))

    async def diff(self, request: Any, context: Any) -> Any:
        """What an update would do."""

        def diff() -> Difference:
            olds, old_inputs, news = (
                Properties.of(request.olds),
                Properties.of(request.old_inputs),
                Properties.of(request.news),
            )
            return self._kubernetes.diff(olds, old_inputs, news, list(request.ignoreChanges))

        found = await _run(context, diff)
        detailed = {
            render_path(path): provider_pb2.PropertyDiff(
                kind=_KINDS[change, path in found.replacing], inputDiff=change is Change.DELETE
            )
            for path, change in found.changes.items()
        }
        some = provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            replaces=sorted(render_path(path) for path in found.replacing),
            deleteBeforeReplace=found.delete_first,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    async def create(self, request: Any, context: Any) -> Any:
        """Create and wait."""
        say = self._say(request.urn)

        def create() -> tuple[str, Properties]:
            news = Properties.of(request.properties)
            return self._kubernetes.create(request.urn, news, timeout=request.timeout, say=say, preview=request.preview)

        object_id, outputs = await _run(context, create)
        return provider_pb2.CreateResponse(id=object_id, properties=outputs.wire())

    async def read(self, request: Any, context: Any) -> Any:
        """Read for a refresh or an import."""

        def read() -> tuple[str, Properties, Properties]:
            state, inputs = Properties.of(request.properties), Properties.of(request.inputs)
            return self._kubernetes.read(request.urn, request.id, state, inputs)

        object_id, outputs, inputs = await _run(context, read)
        return provider_pb2.ReadResponse(id=object_id, properties=outputs.wire(), inputs=inputs.wire())

    async def update(self, request: Any, context: Any) -> Any:
        """Apply and wait."""
        say = self._say(request.urn)

        def update() -> Properties:
            olds = Properties.of(request.olds)
            ignored, news = list(request.ignoreChanges), Properties.of(request.news)
            return self._kubernetes.update(
                request.urn, olds, news, ignored, timeout=request.timeout, say=say, preview=request.preview
            )

        outputs = await _run(context, update)
        return provider_pb2.UpdateResponse(properties=outputs.wire())

    async def delete(self, request: Any, context: Any) -> Any:
        """Delete and wait."""
        say = self._say(request.urn)

        def delete() -> None:
            state, inputs = Properties.of(request.properties), Properties.of(request.old_inputs)
            self._kubernetes.delete(request.id, state, inputs, timeout=request.timeout, say=say)

        await _run(context, delete)
        return empty_pb2.Empty()

    async def invoke(self, request: Any, context: Any) -> Any:
        """Refuse functions, which the stand-in does not support."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _not_covered(request.tok))

    async def construct(self, request: Any, context: Any) -> Any:
        """Refuse components (charts, YAML groups), which the stand-in does not support."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _not_covered(request.type))

    # These names are given by the protocol.
    Cancel = cancel
    CheckConfig = check_config
    DiffConfig = diff_config
    Configure = configure
    Check = check
    Diff = diff
    Create = create
    Read = read
    Update = update
    Delete = delete
    Invoke = invoke
    Construct = construct

    def _say(self, urn: str) -> Say:
        """A function that shows progress lines of one resource, from any thread."""
        loop = asyncio.get_running_loop()

        def say(message: str, *, warning: bool = False) -> None:
            line = self._log.warning(message, urn) if warning else self._log.info(message, urn, ephemeral=True)
            asyncio.run_coroutine_threadsafe(line, loop)

        return say


class _Unused(Provider):
    """A placeholder for the provider that the base class requires; every operation that would use it is overridden."""


async def _run(context: Any, operation: Callable[[], Result]) -> Result:
    """Run an operation in a thread and convert its errors to those of the protocol."""
    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, operation)
    except PartialError as error:
        await context.abort_with_status(_partial(error))
    except PluginError as error:
        await context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except ApiError as error:
        await context.abort(grpc.StatusCode.UNKNOWN, f"the Kubernetes API server refused: {error}")
    except Exception as error:  # noqa: BLE001  # a defect must fail its resource, not leave the engine waiting
        _LOG.exception("a defect of the stand-in")
        await context.abort(grpc.StatusCode.INTERNAL, f"a defect of the stand-in plugin: {error!r}")
    raise AssertionError  # abort raises


def _partial(error: PartialError) -> grpc.Status:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.object_id,
        properties=error.outputs.wire(),
        reasons=error.reasons,
        inputs=error.inputs.wire() if error.inputs is not None else None,
    )
    packed = AnyMessage()
    packed.Pack(detail)
    rich = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed])
    return cast("grpc.Status", _Status(str(error), rich.SerializeToString()))


class _Status:
    """An error with details, in the form that grpc requires (its own type is abstract)."""

    code = grpc.StatusCode.UNKNOWN

    def __init__(self, details: str, packed: bytes) -> None:
        self.details = details
        self.trailing_metadata = (("grpc-status-details-bin", packed),)


def _failures(problems: dict[str, str]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in problems.items()]


def _not_covered(token: str) -> str:
    return f"{token} is not covered by the stand-in for the Kubernetes plugin; use the upstream plugin for it"
