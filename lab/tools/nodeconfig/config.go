// Package nodeconfig finds out how a K3s node is configured, and where it has its data.
package nodeconfig

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Where K3s has its things at run time.
const (
	DefaultFile      = "/etc/rancher/k3s/config.yaml"
	RunDir           = "/run/k3s"
	ContainerdSocket = RunDir + "/containerd/containerd.sock"
)

// ownAPI is where a server finds its own API server.
const ownAPI = "https://127.0.0.1:6443"

// Config is how a node is configured. The names are those of K3s's options.
type Config struct {
	NodeName  string
	NodeIP    string
	NodeLabel []string
	// Server is the URL of the API server.
	Server                         string
	Token                          string
	ClusterCIDR                    string
	ServiceCIDR                    string
	ClusterDNS                     string
	ClusterDomain                  string
	DataDir                        string
	PrivateRegistry                string
	PauseImage                     string
	DisableDefaultRegistryEndpoint bool
	// Disable names the manifests that K3s does not apply.
	Disable []string
	// Words are those that K3s notes on its node.
	Words []string
}

// Load reads the configuration of a node that `k3s ROLE ARGS` starts: defaults, environment, the file, and last the
// command line. Keys of the file that it does not know are passed over, as a real cluster's file has many.
func Load(role, path string, args []string) (Config, error) {
	loaded := Config{
		Server:          os.Getenv("K3S_URL"),
		Token:           os.Getenv("K3S_TOKEN"),
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
	file, err := readSettings(path)
	if err != nil {
		return loaded, err
	}
	line, err := lineSettings(args)
	if err != nil {
		return loaded, err
	}
	flannel, noDefault := "vxlan", ""
	for _, given := range []settings{file, line} {
		for name, target := range map[string]*string{
			"node-name": &loaded.NodeName, "node-ip": &loaded.NodeIP, "server": &loaded.Server, "token": &loaded.Token,
			"cluster-cidr": &loaded.ClusterCIDR, "service-cidr": &loaded.ServiceCIDR, "cluster-dns": &loaded.ClusterDNS,
			"cluster-domain": &loaded.ClusterDomain, "data-dir": &loaded.DataDir, "pause-image": &loaded.PauseImage,
			"private-registry": &loaded.PrivateRegistry, "flannel-backend": &flannel,
			"disable-default-registry-endpoint": &noDefault,
		} {
			given.word(name, target)
		}
		given.words("node-label", &loaded.NodeLabel)
		given.words("disable", &loaded.Disable)
	}
	loaded.DisableDefaultRegistryEndpoint = noDefault == "true"
	if loaded.NodeName == "" {
		if loaded.NodeName, err = os.Hostname(); err != nil {
			return loaded, err
		}
	}
	loaded.NodeName = strings.ToLower(loaded.NodeName)
	if loaded.NodeIP != "" && net.ParseIP(loaded.NodeIP) == nil {
		return loaded, fmt.Errorf("%s: node-ip %q is not an IP address", path, loaded.NodeIP)
	}
	if role == "server" {
		if flannel != "none" {
			return loaded, fmt.Errorf("%s: flannel-backend is %q; this look-alike has no flannel: "+
				"set it to none and put a CNI configuration into /etc/cni/net.d", path, flannel)
		}
		if loaded.Server != "" {
			return loaded, fmt.Errorf("%s: server is %q; this look-alike has only one server: leave it out", path, loaded.Server)
		}
		loaded.Server = ownAPI
	} else if loaded.Server == "" || loaded.Token == "" {
		return loaded, fmt.Errorf("%s: --server and --token are required: they name the cluster that an agent joins", path)
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
