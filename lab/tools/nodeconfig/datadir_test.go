package nodeconfig

import (
	"os"
	"path/filepath"
	"testing"
)

func TestToolsLookForTheDataDirInEnvironmentCommandLineAndFile(t *testing.T) {
	file := writeFile(t, "config.yaml", "data-dir: /in/the/file\n")
	for _, test := range []struct {
		name, variable string
		args           []string
		want           string
	}{
		{"the variable comes first", "/in/the/variable", []string{"--data-dir", "/given", "crictl"}, "/in/the/variable"},
		{"two words", "", []string{"--data-dir", "/given", "crictl", "pull", "a"}, "/given"},
		{"one word", "", []string{"--data-dir=/given", "crictl"}, "/given"},
		{"short", "", []string{"-d", "/given", "crictl"}, "/given"},
		{"behind the command", "", []string{"agent", "--data-dir", "/given"}, "/given"},
		{"the file", "", []string{"crictl", "pull", "a"}, "/in/the/file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("K3S_CONFIG_FILE", file)
			t.Setenv(DataDirVariable, test.variable)
			if got := FindDataDir(test.args); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	t.Setenv("K3S_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	if got := FindDataDir([]string{"crictl"}); got != DefaultDataDir {
		t.Errorf("without any of them it is %s", got)
	}
}

func TestANodeTakesTheCommandLineBeforeTheFileAndTheFileBeforeTheVariable(t *testing.T) {
	t.Setenv(DataDirVariable, "/in/the/variable")
	file := writeFile(t, "config.yaml", "node-name: n\ndata-dir: /in/the/file\n")
	silent := writeFile(t, "config.yaml", "node-name: n\n")
	for want, load := range map[string]func() (Config, error){
		"/given":           func() (Config, error) { return loadAgent(t, file, []string{"--data-dir", "/given"}) },
		"/in/the/file":     func() (Config, error) { return loadAgent(t, file, nil) },
		"/in/the/variable": func() (Config, error) { return loadAgent(t, silent, nil) },
	} {
		if cfg, err := load(); err != nil || cfg.DataDir != want {
			t.Errorf("got %s (%v), want %s", cfg.DataDir, err, want)
		}
	}
}

func TestTheVariableNamesTheConfigurationFileBeforeTheCommandLine(t *testing.T) {
	args := []string{"--config", "/given"}
	if got := ConfigFile(args); got != "/given" {
		t.Errorf("without the variable it is %s", got)
	}
	t.Setenv("K3S_CONFIG_FILE", "/in/the/variable")
	if got := ConfigFile(args); got != "/in/the/variable" {
		t.Errorf("with the variable it is %s", got)
	}
}

func TestCrictlIsToldOfTheNodeWhoseDataDirIsNamed(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	if err := cfg.WriteCrictlConfig(); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(cfg.DataDir, "agent/etc/crictl.yaml")
	if got := CrictlConfig(cfg.DataDir); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	content, err := os.ReadFile(want)
	if err != nil || string(content) != "runtime-endpoint: unix:///run/k3s/containerd/containerd.sock\n" {
		t.Errorf("it holds %q (%v)", content, err)
	}
	if got := CrictlConfig(t.TempDir()); got == want {
		t.Errorf("found by another data-dir: %q", got)
	}
}

func TestProgramsAreUnpackedOnceBelowTheDataDirUnlessTheyLieBelowTheDefaultOne(t *testing.T) {
	const self = "/usr/local/bin/k3s"
	node, usual := t.TempDir(), t.TempDir()
	for range 2 {
		if err := Unpack(node, usual, self, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	current, err := os.Readlink(filepath.Join(node, "data/current"))
	if err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(node, "data", current, "bin/k3s")); err != nil || target != self {
		t.Errorf("k3s leads to %q (%v)", target, err)
	}
	if found, _ := os.ReadDir(usual); len(found) > 0 {
		t.Errorf("the other folder holds %v", found)
	}
	third := t.TempDir()
	if err := Unpack(third, node, self, "v1"); err != nil {
		t.Fatal(err)
	}
	if found, _ := os.ReadDir(third); len(found) > 0 {
		t.Errorf("unpacked again: %v", found)
	}
}
