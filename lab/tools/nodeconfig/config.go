// Package nodeconfig finds out how a K3s node is configured, and where it has its data.
package nodeconfig

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Where K3s has its things at run time.
const (
	DefaultFile      = "/etc/rancher/k3s/config.yaml"
	RunDir           = "/run/k3s"
	ContainerdSocket = RunDir + "/containerd/containerd.sock"
)

// Config is /etc/rancher/k3s/config.yaml; the keys are K3s's.
type Config struct {
	NodeName  string   `json:"node-name"`
	NodeIP    string   `json:"node-ip"`
	NodeLabel []string `json:"node-label"`
	// Server is the URL of the API server; on a server its own.
	Server                         string `json:"server"`
	ClusterCIDR                    string `json:"cluster-cidr"`
	ServiceCIDR                    string `json:"service-cidr"`
	ClusterDNS                     string `json:"cluster-dns"`
	ClusterDomain                  string `json:"cluster-domain"`
	DataDir                        string `json:"data-dir"`
	PrivateRegistry                string `json:"private-registry"`
	PauseImage                     string `json:"pause-image"`
	DisableDefaultRegistryEndpoint bool   `json:"disable-default-registry-endpoint"`
	// Words are those that K3s notes on its node.
	Words []string `json:"-"`
}

// Load reads the node's configuration: defaults, environment, the file, and last the command line. Keys of the file that
// it does not know are passed over, as a real cluster's file has many.
func Load(path string, args []string) (Config, error) {
	loaded := Config{
		ClusterCIDR:     "10.42.0.0/16",
		ServiceCIDR:     "10.43.0.0/16",
		ClusterDNS:      "10.43.0.10",
		ClusterDomain:   "cluster.local",
		DataDir:         DefaultDataDir,
		PrivateRegistry: "/etc/rancher/k3s/registries.yaml",
		PauseImage:      "rancher/mirrored-pause:3.6",
	}
	if folder := os.Getenv(DataDirVariable); folder != "" {
		loaded.DataDir = folder
	}
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return loaded, err
	}
	if err := yaml.Unmarshal(content, &loaded); err != nil {
		return loaded, fmt.Errorf("%s: %w", path, err)
	}
	if folder := option(args, "data-dir", "d"); folder != "" {
		loaded.DataDir = folder
	}
	if loaded.NodeName == "" {
		if loaded.NodeName, err = os.Hostname(); err != nil {
			return loaded, err
		}
		loaded.NodeName = strings.ToLower(loaded.NodeName)
	}
	if loaded.NodeIP != "" && net.ParseIP(loaded.NodeIP) == nil {
		return loaded, fmt.Errorf("%s: node-ip %q is not an IP address", path, loaded.NodeIP)
	}
	return loaded, nil
}

// Agent is a path below the agent's folder.
func (c Config) Agent(parts ...string) string {
	return filepath.Join(append([]string{c.DataDir, "agent"}, parts...)...)
}

// ServerFolder is a path below the server's folder.
func (c Config) ServerFolder(parts ...string) string {
	return filepath.Join(append([]string{c.DataDir, "server"}, parts...)...)
}

// ContainerdConfig is containerd's configuration file.
func (c Config) ContainerdConfig() string { return c.Agent("etc", "containerd", "config.toml") }

// CertsD is the folder of the hosts.toml files.
func (c Config) CertsD() string { return c.Agent("etc", "containerd", "certs.d") }

// ResolvConf gives path, the file that pods are to inherit, or nothing where it names no server: the kubelet refuses to
// start a pod without one.
func ResolvConf(path string) string {
	content, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(content, []byte("nameserver")) {
		return ""
	}
	return path
}
