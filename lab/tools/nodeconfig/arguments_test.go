package nodeconfig

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestArgumentsAreCommandFileAndCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	content := "token: hunter2\ndata-dir: /srv/k3s\nnode-label: [a=b, c=d]\ndebug: true\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Arguments("agent", []string{"--private-registry=/srv/r.yaml", "--token", "hunter2"}, file)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"agent", "--data-dir", "/srv/k3s", "--debug", "true", "--node-label", "a=b", "--node-label", "c=d",
		"--token", masked, "--private-registry", "/srv/r.yaml", "--token", masked,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestArgumentsWithoutAFile(t *testing.T) {
	got, err := Arguments("server", nil, filepath.Join(t.TempDir(), "none"))
	if err != nil || !slices.Equal(got, []string{"server"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEnvironmentHoldsItsOwnVariablesAndNoSecret(t *testing.T) {
	got := Environment([]string{"HOME=/root", "K3S_URL=https://a:6443", "K3S_TOKEN=hunter2", "K3S_AGENT_TOKEN=x"})
	want := map[string]string{"K3S_URL": "https://a:6443", "K3S_TOKEN": masked, "K3S_AGENT_TOKEN": masked}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
