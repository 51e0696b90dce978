"""The programs that the lab builds, the Go modules they come from, and the digest that identifies a build."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.settings import LAB_FOLDER, LabError

TOOLS_FOLDER = LAB_FOLDER / "tools"

# Nobody debugs these programs: without symbols and debug information they are a third smaller and compile in 6 % less
# time. Stack traces keep their line numbers.
COMPILE_FLAGS = "-gcflags=all=-dwarf=false"
LINK_FLAGS = ("-s", "-w")


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """A file that a Go module contains beside its code; the go.mod in `folder` fixes the module's version."""

    folder: str
    module: str
    path: str


@dataclass(frozen=True, slots=True)
class ToolSet:
    """Programs that are built together from one Go module below lab/tools."""

    name: str
    folder: str
    programs: Mapping[str, str]
    """Name of the program -> Go package, relative (`./k3s`) or a dependency's."""
    sources: tuple[str, ...] = ()
    """Directories below `folder` with our own code."""
    tags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    files: Mapping[str, ModuleFile] = field(default_factory=dict)
    """Files that must lie beside the programs."""

    @property
    def module(self) -> Path:
        """The directory with go.mod and go.sum."""
        return TOOLS_FOLDER / self.folder

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files that the set provides."""
        return (*self.programs, *self.files)

    def arguments(self) -> list[str]:
        """The arguments of `go build`, except the output directory."""
        flags = " ".join((*LINK_FLAGS, *self.link_flags))
        tags = [f"-tags={','.join(self.tags)}"] if self.tags else []
        return ["-trimpath", "-buildvcs=false", COMPILE_FLAGS, f"-ldflags={flags}", *tags]

    def digest(self, go_version: str) -> str:
        """Sixteen hex digits that change with the sources, the flags and the compiler."""
        total = hashlib.sha256()
        for part in (go_version, *self.arguments(), repr(sorted(self.programs.items())), repr(sorted(self.files))):
            total.update(part.encode() + b"\0")
        for path in self._inputs():
            total.update(str(path.relative_to(TOOLS_FOLDER)).encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()[:16]

    def _inputs(self) -> Iterable[Path]:
        folders = dict.fromkeys([self.module, *(TOOLS_FOLDER / file.folder for file in self.files.values())])
        for folder in folders:
            yield folder / "go.mod"
            yield folder / "go.sum"
        for source in self.sources:
            yield from (
                path for path in sorted((self.module / source).glob("*.go")) if not path.name.endswith("_test.go")
            )


ON_DEMAND = frozenset({"conformance", "crane"})
"""The sets that no quick test needs."""
# Builds begin in this order. The longest come first, so that no long one remains alone at the end. The provider comes
# after k3s, whose compiled Kubernetes packages it then finds in Go's cache: for that the modules' go.mod files agree on
# shared modules, since a package is compiled again with another version of anything below it.
SETS: Mapping[str, ToolSet] = {
    tool_set.name: tool_set
    for tool_set in (
        ToolSet(
            "k3s",
            ".",
            {"k3s": "./k3s"},
            sources=("clusterkeys", "k3s", "nodeconfig", "registries", "supervision"),
            link_flags=("-X", "k8s.io/component-base/version.gitVersion=v1.34.4"),
        ),
        ToolSet("pulumi", "pulumi", {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"}),
        ToolSet(
            "pulumi-kubernetes",
            "pulumi-kubernetes",
            {"pulumi-resource-kubernetes": "./provider"},
            sources=("provider",),
            files={
                name: ModuleFile(
                    "pulumi-kubernetes",
                    "github.com/pulumi/pulumi-kubernetes/provider/v4",
                    f"cmd/pulumi-resource-kubernetes/{name}",
                )
                for name in ("schema.json", "terraform-mapping.json")
            },
        ),
        ToolSet(
            "containerd",
            ".",
            {
                name: f"github.com/containerd/containerd/v2/cmd/{name}"
                for name in ("containerd", "containerd-shim-runc-v2", "ctr")
            },
            # These leave out snapshotters that need C headers and kernel modules.
            tags=("no_btrfs", "no_devmapper"),
        ),
        ToolSet(
            "metallb",
            "metallb",
            {f"metallb-{name}": f"go.universe.tf/metallb/{name}" for name in ("controller", "speaker")},
        ),
        ToolSet(
            "pulumi-language",
            "pulumi-language",
            {"pulumi-language-python": "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"},
            # The newest language host that is a Go module is older than the engine; the script has its version.
            files={
                "pulumi-language-python-exec": ModuleFile(
                    "pulumi", "github.com/pulumi/pulumi/sdk/v3", "python/cmd/pulumi-language-python-exec"
                )
            },
        ),
        ToolSet("coredns", ".", {"coredns": "./coredns"}, sources=("coredns",)),
        ToolSet("registry", ".", {"registry": "./registry"}, sources=("registry",)),
        ToolSet("alpine", ".", {"alpine": "./alpine"}, sources=("alpine",)),
        ToolSet(
            "local-path-provisioner",
            ".",
            {"local-path-provisioner": "github.com/rancher/local-path-provisioner"},
        ),
        ToolSet("wharfie", ".", {"wharfie": "./wharfie"}, sources=("wharfie", "registries")),
        ToolSet("load", ".", {"load": "./load"}, sources=("load",)),
        ToolSet("actionlint", "actionlint", {"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"}),
        # Only `make conformance` and `make long` build these.
        ToolSet("crane", "crane", {"crane": "github.com/google/go-containerregistry/cmd/crane"}),
        ToolSet(
            "conformance",
            "conformance",
            {"conformance": "github.com/opencontainers/distribution-spec/conformance"},
        ),
    )
}


def place(tool_set: ToolSet) -> int:
    """The place of a set in the order of builds."""
    return list(SETS).index(tool_set.name)


def find(names: Sequence[str]) -> list[ToolSet]:
    """The sets that have, or contain a program with, one of `names`; each appears once, in the order of `names`.

    Raises:
        LabError: no set and no program has one of the names.
    """
    by_program = {program: tool_set for tool_set in SETS.values() for program in tool_set.names}
    found: dict[str, ToolSet] = {}
    for name in names:
        tool_set = SETS.get(name) or by_program.get(name)
        if tool_set is None:
            message = f"tool {name!r} is not one of the lab's tools: {', '.join(sorted({*SETS, *by_program}))}"
            raise LabError(message)
        found[tool_set.name] = tool_set
    return list(found.values())
