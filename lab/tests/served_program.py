"""Runs a Pulumi program in the process of its tests, as the Automation API runs inline programs.

A language host, and a Python that imports the SDK, need as much processor time as the rest of a run. The tests on the
lab and `tests/engine/test_program.py` have them, as users do.
"""

import os
import runpy
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import grpc  # type: ignore[import-untyped]  # the stubs are a package of their own
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

RUN_THE_PROGRAM: Final = ("up", "preview")


@contextmanager
def served(folder: Path, command: str, environment: Mapping[str, str] | None = None) -> Iterator[list[str]]:
    """The options with which this command of the CLI runs the folder's program here; none where it runs no program.

    The program sees this process's environment with these changes: the CLI's own does not reach it.
    """

    def run() -> None:
        runpy.run_path(str(folder / "__main__.py"))

    if command not in RUN_THE_PROGRAM:
        yield []
        return
    server = grpc.server(futures.ThreadPoolExecutor())
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(run), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with patch.dict(os.environ, environment or {}):
            yield [f"--client=127.0.0.1:{port}"]
    finally:
        server.stop(grace=None).wait()
