"""Starting a lab, and stopping it or one machine of it."""

import contextlib
import datetime as dt
import fcntl
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cache, cgroups, inventory, k3s, needs, network, ssh_agent, toolchain
from lab.addons import metallb_manifest
from lab.api import Api, Fresh, delete_node
from lab.base_tree import ensure_base_tree
from lab.cluster import ADDON_BINARIES, Cluster, ensure_images
from lab.engine import Engine
from lab.kubeconfig import fetch_kubeconfig
from lab.layer import ensure_layer
from lab.machines import NSPAWN_RUN, Machine, machines
from lab.mounts import mounts_below, unmount_below
from lab.packages import ensure_packages
from lab.progress import step
from lab.readiness import is_ready, wait_for
from lab.settings import DEFAULT_MACHINES, MAX_MACHINES, STATE_ROOT, Lab, LabError, MachineName
from lab.shape import Shape


@contextlib.contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """Hold the lab's lock: one command changes a lab at a time, and the others wait.

    Files created within the block are readable by all users, whatever the caller's umask, since unprivileged users on
    the machines need them. Only root may enter the directory that holds the lab's state.
    """
    lab.lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lab.lock.open("w") as file, _umask(0o022):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"lab {lab.name}: waiting for another command that is changing it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _wanted(lab: Lab, count: int | None) -> list[Machine]:
    """The machines that should run: the existing ones, and the first `count`."""
    present = machines(lab)
    if count is None:
        count = 0 if present else DEFAULT_MACHINES
    if not 0 <= count <= MAX_MACHINES:
        message = f"--machines {count}: a lab has 1 to {MAX_MACHINES} machines"
        raise LabError(message)
    places = {machine.place for machine in present} | {MachineName(index) for index in range(count)}
    return [Machine(lab, place) for place in sorted(places, key=lambda place: place.index)]


def _shape(lab: Lab, *, bare: bool, coredns: bool, choice: str | None) -> Shape:
    """The lab's shape: that of the existing lab, which cannot change under its machines, or else the given one."""
    known = Shape.of(lab)
    asked = None if choice is None else k3s.name_choice(choice)
    if asked and (bare or (known and known.bare)):
        message = f"lab {lab.name} is bare and K3S={choice} was given: a bare lab has no K3s; leave out one of both"
        raise LabError(message)
    if known is None:
        return Shape(bare=bare, coredns=coredns, k3s=asked)
    if bare and not known.bare:
        message = f"lab {lab.name} was started with Kubernetes: stop it first, or give the bare lab another name"
        raise LabError(message)
    if asked and asked != known.k3s:
        message = (
            f"lab {lab.name} was started with {known.k3s or 'the look-alike'} as its K3s and is asked for {asked}: "
            f"a lab keeps its K3s; stop it first with {lab.make('down')}, or give the other one another lab"
        )
        raise LabError(message)
    return known


def up(
    lab: Lab,
    *,
    count: int | None = None,
    bare: bool = False,
    coredns: bool = True,
    choice: str | None = None,
    over: Sequence[Path] = (),
) -> None:
    """Start the lab with at least `count` machines and wait until it is ready for work.

    Running parts are left alone; parts that a crash has ended are started again. `bare` machines have no Kubernetes.
    `choice` is a K3s binary or release in the place of the look-alike; a running lab keeps the one it was started with.
    The file system layers `over` are placed on top of a machine's own when the machine is created.

    Raises:
        LabError: a requirement is not met, or a part does not start; the message says which, and where to look.
    """
    with locked(lab):
        shape = _shape(lab, bare=bare, coredns=coredns, choice=choice)
        wanted = _wanted(lab, count)
        if Shape.of(lab) and is_ready(lab, wanted, shape):
            inventory.own(lab)
            return
        lacks = needs.lacks()
        if lacks:
            message = "this computer cannot carry the lab:\n" + "\n".join(f"  {lack}" for lack in lacks)
            raise LabError(message)
        _check_inotify(wanted, shape)
        ensure_packages()
        started = frozenset(machine.name for machine in wanted if not machine.is_running())
        since = dt.datetime.now(dt.UTC)
        _boot(lab, wanted, shape, over)
        if not shape.bare:
            fetch_kubeconfig(lab)
            api, fresh = Api(lab), Fresh(started, since)
            wait_for("cluster: nodes ready", api, wanted, shape, fresh, nodes_only=True)
            wait_for("cluster: load balancer and storage ready", api, wanted, shape, fresh)


def _check_inotify(wanted: list[Machine], shape: Shape) -> None:
    """Refuse to start machines for which other labs have left no inotify instances: Kubernetes would hang silently."""
    absent = [machine for machine in wanted if not machine.is_running()]
    each = {True: needs.INOTIFY_SERVER, False: needs.INOTIFY_MACHINE}
    need = sum(needs.INOTIFY_BARE if shape.bare else each[machine.place.is_server] for machine in absent)
    free = needs.inotify_free(need)
    if free < need:
        message = (
            f"{len(absent)} more machines need {need} inotify instances and the kernel grants root {free}: "
            "stop another lab, or run sysctl -w fs.inotify.max_user_instances=512"
        )
        raise LabError(message)


def _boot(lab: Lab, wanted: list[Machine], shape: Shape, over: Sequence[Path]) -> None:
    cluster: Cluster | None = None
    chosen = k3s.find(lab, shape.k3s)
    with ThreadPoolExecutor(max_workers=2) as pool:
        # Building the tree mostly waits for downloads, so it runs while tools compile.
        future_tree = pool.submit(ensure_base_tree)
        # Only `deploy` and `run` need engine and plugins, but builds overlap. Whether a plugin must be built shows once
        # the engine has tried to download it.
        future_engine = None if shape.bare else pool.submit(lambda: Engine.offline().install_plugins())
        built = {} if shape.bare else toolchain.ensure([*k3s.tools(chosen), *_addons(shape)])
        tree = future_tree.result()
        if future_engine:
            future_engine.result()
    layers = [tree]
    lab.state.mkdir(parents=True, exist_ok=True)
    lab.state.chmod(0o700)
    inventory.own(lab)
    shape.keep(lab)
    if not shape.bare:
        with step("cluster: images"):
            metallb = metallb_manifest()
            images = ensure_images(built, tree / "bin/busybox", metallb, coredns=shape.coredns)
            installed = k3s.install(lab, chosen, built)
            layers.insert(0, ensure_layer(installed.programs(built)))
        cluster = Cluster(lab, installed, images, metallb, shape.coredns)
    with step(f"machines: {', '.join(machine.name for machine in wanted)}"):
        network.create_lan(lab)
        key = ssh_agent.ensure_agent(lab)
        for machine in wanted:
            machine.prepare([*over, *layers])
            machine.authorize(key)
            if cluster:
                cluster.equip(machine)
            machine.start()
        for machine in wanted:
            machine.wait_for_ssh()
    cache.prune()


def _addons(shape: Shape) -> list[str]:
    return [name for name in ADDON_BINARIES if shape.coredns or name != "coredns"]


def down(lab: Lab) -> None:
    """Stop the lab and remove every process, mount, namespace, cgroup, interface and file of it, in whatever state.

    It looks for the lab's name in the system instead of relying on records, so it also works after a crash. It is
    harmless when nothing is left.

    Raises:
        LabError: a part could not be removed; the message names it.
    """
    with locked(lab):
        for machine in machines(lab):
            machine.kill()
        for group in cgroups.groups(lab):
            group.kill()
        _end_programs(lab)
        unmount_below(lab.state)
        left = mounts_below(lab.state)
        if left:
            message = f"lab {lab.name}: {left[0]} cannot be unmounted; find who uses it with fuser -vm {left[0]}"
            raise LabError(message)
        for group in cgroups.groups(lab):
            group.remove()
        cgroups.remove_lab(lab)
        network.remove_all(lab)
        for folder in (NSPAWN_RUN / "propagate").glob(f"{lab.namespace_prefix}*"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(lab.state, ignore_errors=True)
        with contextlib.suppress(OSError):
            STATE_ROOT.rmdir()


def _end_programs(lab: Lab) -> None:
    """End what runs from the lab's own directory: upstream's Kubernetes plugin outlives an engine that was killed."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if lab.state in (process / "exe").readlink().parents:
                os.kill(int(process.name), signal.SIGKILL)


def remove_machine(lab: Lab, name: str) -> None:
    """Remove one machine: its processes, disk, network interface and node object. Harmless when it does not exist.

    Raises:
        LabError: it is the server, which the cluster needs; or no machine can have that name.
    """
    place = MachineName.parse(name)
    if place.is_server:
        message = f"{name} carries the control plane: stop the whole lab instead"
        raise LabError(message)
    with locked(lab):
        Machine(lab, place).remove()
        shape = Shape.of(lab)
        if shape and not shape.bare:
            delete_node(lab, name)
