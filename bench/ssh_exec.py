"""The minimum to compare with: one SSH exec per node, by OpenSSH's client, of the input that the stack sends."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bench import fixtures
from bench.measurement import Clock
from bench.site import Site, run_together, ssh
from components.nodes import script, trust
from lab.host_keys import host_key_line
from lab.machines import Machine


def run(
    site: Site, machines: Sequence[Machine], clock: Clock, *, verb: str, bundle: str, audit: str
) -> list[dict[str, Any]]:
    """Run the node script's `verb` on all machines at once and return their reports.

    Raises:
        LabError: it failed on a machine; the message holds its output.
    """
    with ExitStack() as stack:
        commands = {}
        for machine in machines:
            reached = {"host": machine.place.address, "port": 22, "hostKey": host_key_line(machine.place)}
            config = fixtures.config({machine.name: reached}, audit)
            text = stack.enter_context(tempfile.TemporaryFile("w+"))
            text.write(trust.stdin(config.nodes[0], config, bundle))
            text.seek(0)
            commands[machine.name] = (ssh(site, machine, script.command(verb)), text)
        with clock.running():
            printed = run_together(commands, site.environment)
    return [json.loads(line) for line in printed]
