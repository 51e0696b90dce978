package nodeconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// loadAgent loads the configuration of an agent that is told its cluster by the environment.
func loadAgent(t *testing.T, path string, args []string) (Config, error) {
	t.Helper()
	t.Setenv("K3S_URL", "https://10.77.0.11:6443")
	t.Setenv("K3S_TOKEN", "secret")
	return Load("agent", path, args)
}

func TestConfigIsCompletedWithDefaults(t *testing.T) {
	cfg, err := loadAgent(t, writeFile(t, "config.yaml", "node-name: cube01\nnode-ip: 10.77.0.12\nunknown-key: 1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.NodeName != "cube01" || cfg.ServiceCIDR != "10.43.0.0/16" {
		t.Errorf("got %+v", cfg)
	}
	if got := cfg.CertsD(); got != "/var/lib/rancher/k3s/agent/etc/containerd/certs.d" {
		t.Errorf("certs.d is %s", got)
	}
}

func TestConfigFollowsTheDataDir(t *testing.T) {
	cfg, err := loadAgent(t, writeFile(t, "config.yaml", "data-dir: /mnt/k3s\nnode-name: n\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.ServerFolder("manifests"); got != "/mnt/k3s/server/manifests" {
		t.Errorf("manifests are in %s", got)
	}
}

func TestConfigWithoutAFileNamesTheNodeAfterTheHost(t *testing.T) {
	cfg, err := loadAgent(t, filepath.Join(t.TempDir(), "none.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.NodeName != strings.ToLower(host) {
		t.Errorf("node is %q, host is %q", cfg.NodeName, host)
	}
}

func TestConfigRefusesANodeIPThatIsNone(t *testing.T) {
	_, err := loadAgent(t, writeFile(t, "config.yaml", "node-ip: cube01\n"), nil)
	if err == nil || !strings.Contains(err.Error(), `node-ip "cube01" is not an IP address`) {
		t.Errorf("got %v", err)
	}
}

func TestPodsInheritOnlyAResolvConfThatNamesAServer(t *testing.T) {
	useful := writeFile(t, "resolv.conf", "nameserver 10.77.0.1\n")
	if got := ResolvConf(useful); got != useful {
		t.Errorf("got %q for a useful file", got)
	}
	if got := ResolvConf(writeFile(t, "resolv.conf", "# nothing\n")); got != "" {
		t.Errorf("got %q for an empty file", got)
	}
	if got := ResolvConf("/nonexistent"); got != "" {
		t.Errorf("got %q for no file", got)
	}
}
