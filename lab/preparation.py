"""What the tests need and what takes long to make: packages, programs and the machines' tree, had before they start."""

from concurrent.futures import ThreadPoolExecutor

from lab import needs, toolchain
from lab.base_tree import ensure_base_tree
from lab.cluster import ADDON_BINARIES, NODE_BINARIES
from lab.packages import LAB_PACKAGES, Package, ensure_packages
from lab.progress import say
from lab.settings import LabError

TEST_PACKAGES = (
    Package("busybox-static", "busybox", "runs the node scripts as on a node of little more than busybox"),
    Package("ca-certificates", "update-ca-certificates", "takes the registry's authority into a node's system store"),
    Package("curl", "curl", "pushes the probe image from a node that has curl"),
    Package("dash", "dash", "runs the node scripts as Debian's own shell"),
    Package("gawk", "gawk", "runs the nodes' awk programs as on Fedora or Arch"),
    Package("mawk", "mawk", "runs the nodes' awk programs as on Debian"),
    Package("openssl", "openssl", "verifies with a node's system store"),
    Package("wget", "wget", "pushes the probe image from a node that has GNU wget"),
)
ROOTLESS_TOOLS = (*toolchain.PULUMI_SETS, "k3s", "registry", "wharfie")
"""Programs of those tests that need no machines."""
LAB_TOOLS = (*ROOTLESS_TOOLS, *NODE_BINARIES, *ADDON_BINARIES)


def prepare() -> None:
    """Have everything in place that the tests would otherwise make inside their time limits.

    Where this computer cannot carry the lab, says why and prepares what the other tests need.

    Raises:
        LabError: something that can be had here did not come about.
    """
    lacks = needs.lacks()
    for lack in lacks:
        say(f"The tests on machines will be skipped: {lack}")
    if lacks:
        try:
            ensure_packages(TEST_PACKAGES)
        except LabError as error:
            say(f"Some tests will be skipped: {error}")
        toolchain.ensure(ROOTLESS_TOOLS)
        return
    ensure_packages((*LAB_PACKAGES, *TEST_PACKAGES))
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Mostly waiting for downloads, so it may as well run while programs compile.
        making = pool.submit(ensure_base_tree)
        toolchain.ensure(LAB_TOOLS)
        making.result()
