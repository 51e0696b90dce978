"""Preparation for the tests: packages, programs and the machine image, installed or built before the tests start."""

from concurrent.futures import ThreadPoolExecutor

from lab import needs, toolchain
from lab.base_tree import ensure_base_tree
from lab.cluster import ADDON_BINARIES
from lab.k3s import LOOK_ALIKE
from lab.packages import LAB_PACKAGES, Package, ensure_packages
from lab.progress import say
from lab.settings import LabError

TEST_PACKAGES = (
    Package("busybox-static", "busybox", "runs the node scripts as on a node that has little more than busybox"),
    Package("ca-certificates", "update-ca-certificates", "adds the registry's authority to a node's system store"),
    Package("curl", "curl", "pushes the probe image from a node that has curl"),
    Package("dash", "dash", "runs the node scripts as Debian's own shell"),
    Package("gawk", "gawk", "runs the nodes' awk programs as on Fedora or Arch"),
    Package("mawk", "mawk", "runs the nodes' awk programs as on Debian"),
    Package("openssl", "openssl", "verifies with a node's system store"),
    Package("wget", "wget", "pushes the probe image from a node that has GNU wget"),
)
ROOTLESS_TOOLS = ("pulumi-kubernetes", *toolchain.PULUMI_SETS, "k3s", "registry", "wharfie", "actionlint")
"""Programs for the tests that need no machines."""
LAB_TOOLS = (*ROOTLESS_TOOLS, *LOOK_ALIKE, *ADDON_BINARIES, "load")


def prepare() -> None:
    """Install and build everything that the tests would otherwise have to create within their time limits.

    Where this computer cannot carry the lab, this prints the reason and prepares only for the other tests.

    Raises:
        LabError: an installation or a build failed.
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
        # Building the tree mostly waits for downloads, so it runs while programs compile.
        tree = pool.submit(ensure_base_tree)
        toolchain.ensure(LAB_TOOLS)
        tree.result()
