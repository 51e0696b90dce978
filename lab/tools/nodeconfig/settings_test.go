package nodeconfig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeFiles writes config.yaml and the files of the directory beside it.
func writeFiles(t *testing.T, content string, dropIns map[string]string) string {
	t.Helper()
	path := writeFile(t, "config.yaml", content)
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range dropIns {
		if err := os.WriteFile(filepath.Join(path+".d", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestALaterFileReplacesAValueAndAddsToAList(t *testing.T) {
	path := writeFiles(t, "server: https://a:6443\ntoken: t\nnode-label: [a=1]\n", map[string]string{
		"10.yaml":   "node-label+: b=2\nserver: https://b:6443\n",
		"20.yml":    "server: https://c:6443\n",
		"30.yaml.x": "server: https://unread:6443\n",
	})
	cfg, err := Load("agent", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server != "https://c:6443" || !slices.Equal(cfg.NodeLabel, []string{"a=1", "b=2"}) {
		t.Errorf("got %s and %v", cfg.Server, cfg.NodeLabel)
	}
}

func TestTheCommandLineReplacesTheWholeListOfTheFile(t *testing.T) {
	path := writeFile(t, "config.yaml", "flannel-backend: none\ndisable: [traefik]\n")
	cfg, err := Load("server", path, []string{"--disable=coredns,servicelb", "--disable", "local-storage"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"coredns", "servicelb", "local-storage"}; !slices.Equal(cfg.Disable, want) {
		t.Errorf("got %v", cfg.Disable)
	}
}

func TestAnAgentIsToldItsClusterByTheEnvironmentToo(t *testing.T) {
	t.Setenv("K3S_URL", "https://10.77.0.11:6443")
	t.Setenv("K3S_TOKEN", "secret")
	cfg, err := Load("agent", filepath.Join(t.TempDir(), "none"), []string{"-t", "other"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server != "https://10.77.0.11:6443" || cfg.Token != "other" {
		t.Errorf("got %s and %s", cfg.Server, cfg.Token)
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, test := range []struct {
		name, role, file string
		args             []string
		want             string
	}{
		{"an option that K3s lacks", "agent", "", []string{"--nonsense"}, "flag provided but not defined: --nonsense"},
		{"an option without its value", "agent", "", []string{"--token"}, "flag needs an argument: --token"},
		{"an agent without a token", "agent", "server: https://a:6443\n", nil, "--server and --token are required"},
		{"a server with flannel", "server", "node-name: n\n", nil, `flannel-backend is "vxlan"`},
		{"a second server", "server", "flannel-backend: none\nserver: https://a:6443\n", nil, "has only one server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(test.role, writeFile(t, "config.yaml", test.file), test.args)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
