// Command k3s looks and behaves, towards an administrator and towards the scripts that run on a node, like K3s: the same
// command line, folders, units and treatment of registries.yaml. Behind it stand the same parts as in K3s (Kubernetes,
// containerd, kubectl, a CRI client), each as a process of its own.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"k3s-registry.lab/tools/nodeconfig"
)

// version is what `k3s --version` reports; a script may read the release from it.
const version = "v1.34.4+k3s1"

// installed is where K3s lies on a machine.
const installed = "/usr/local/bin/k3s"

const usage = `usage: k3s [--data-dir DIRECTORY] COMMAND [ARGUMENTS]

  server    run the control plane and a node   (/etc/rancher/k3s/config.yaml)
  agent     run a node                         (/etc/rancher/k3s/config.yaml)
  kubectl   Kubernetes client, as admin of this cluster
  crictl    pull | rmi | images | inspecti | ps | info, on this node's containerd
  ctr       containerd's own client, in namespace k8s.io

Kubernetes components run by their own names (kube-apiserver, kubelet, ...).
`

// calledByName are the commands that a link may name; by any other name the program is k3s, as K3s is.
var calledByName = []string{"kubectl", "crictl", "ctr", "kubelet", "kube-apiserver", "kube-controller-manager", "kube-proxy",
	"kube-scheduler"}

func main() {
	dataDir := nodeconfig.FindDataDir(os.Args[1:])
	name, args := filepath.Base(os.Args[0]), os.Args
	if !slices.Contains(calledByName, name) {
		args = withoutDataDir(os.Args[1:])
		if len(args) == 0 {
			fmt.Fprint(os.Stderr, usage)
			os.Exit(2)
		}
		name = args[0]
	}
	// Cobra and klog read os.Args themselves.
	os.Args = args
	switch name {
	case "--version", "-v", "version":
		fmt.Printf("k3s version %s (lab)\ngo version %s\n", version, runtime.Version())
	case "--help", "-h", "help":
		fmt.Print(usage)
	case "server", "agent":
		unpack(dataDir)
		runNode(name, args[1:])
	case "crictl":
		unpack(dataDir)
		setDefaultEnv("CRI_CONFIG_FILE", nodeconfig.CrictlConfig(dataDir))
		os.Exit(runCrictl(args[1:]))
	case "ctr":
		unpack(dataDir)
		runCtr(args[1:])
	case "kubectl":
		unpack(dataDir)
		runKubernetes(name)
	default:
		runKubernetes(name)
	}
}

// withoutDataDir leaves out the one option that K3s takes before the command.
func withoutDataDir(args []string) []string {
	for len(args) > 0 {
		switch flag, _, joined := strings.Cut(args[0], "="); {
		case flag != "--data-dir" && flag != "-d":
			return args
		case joined:
			args = args[1:]
		default:
			args = args[min(2, len(args)):]
		}
	}
	return args
}

// unpack is what K3s does first, whatever it is to become. The kubectl of a lab's LAN is this program too, but belongs
// to a computer that is no node, where nothing may stay behind.
func unpack(dataDir string) {
	if self, err := os.Executable(); err != nil || self != installed {
		return
	}
	if err := nodeconfig.Unpack(dataDir, nodeconfig.DefaultDataDir, installed, version); err != nil {
		fatalf("k3s: extracting data: %v", err)
	}
}

// runCtr becomes containerd's client, pointed at K3s's containerd unless the caller said otherwise.
func runCtr(args []string) {
	setDefaultEnv("CONTAINERD_ADDRESS", nodeconfig.ContainerdSocket)
	setDefaultEnv("CONTAINERD_NAMESPACE", "k8s.io")
	err := syscall.Exec("/usr/local/bin/ctr", append([]string{"ctr"}, args...), os.Environ())
	fatalf("k3s ctr: /usr/local/bin/ctr: %v", err)
}

func setDefaultEnv(key, value string) {
	if os.Getenv(key) == "" {
		os.Setenv(key, value)
	}
}

func fatalf(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
