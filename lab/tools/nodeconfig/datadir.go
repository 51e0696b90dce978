package nodeconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultDataDir is where K3s has its data unless it is told otherwise.
const DefaultDataDir = "/var/lib/rancher/k3s"

// DataDirVariable names the data-dir to K3s and to its tools.
const DataDirVariable = "K3S_DATA_DIR"

// ConfigFile is the configuration file that K3s reads: as in K3s, the variable comes before the command line.
func ConfigFile(args []string) string {
	if file := os.Getenv("K3S_CONFIG_FILE"); file != "" {
		return file
	}
	if file := option(args, "config", "c"); file != "" {
		return file
	}
	return DefaultFile
}

// FindDataDir is the data-dir in which K3s unpacks its programs and its tools look for a node: by environment, command
// line and configuration file. K3s's tools do not read the unit that runs the node.
func FindDataDir(args []string) string {
	if folder := os.Getenv(DataDirVariable); folder != "" {
		return folder
	}
	if folder := option(args, "data-dir", "d"); folder != "" {
		return folder
	}
	folder := DefaultDataDir
	// A node that starts by the file reports its mistakes.
	if file, err := readSettings(ConfigFile(args)); err == nil {
		file.word("data-dir", &folder)
	}
	return folder
}

// option is the last value that args give to --name or -short.
func option(args []string, name, short string) string {
	value := ""
	for i, word := range args {
		flag, given, joined := strings.Cut(word, "=")
		if flag != "--"+name && flag != "-"+short {
			continue
		}
		if joined {
			value = given
		} else if i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// CrictlConfig is the first crictl.yaml of those that K3s looks for on behalf of crictl, or nothing.
func CrictlConfig(dataDir string) string {
	for _, path := range []string{crictlConfigBelow(dataDir), crictlConfigBelow(DefaultDataDir), "/etc/crictl.yaml"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

func crictlConfigBelow(dataDir string) string {
	return filepath.Join(dataDir, "agent", "etc", "crictl.yaml")
}

// WriteCrictlConfig tells crictl, as K3s does when it starts, where the node's containerd listens.
func (c Config) WriteCrictlConfig() error {
	path := crictlConfigBelow(c.DataDir)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("runtime-endpoint: unix://"+ContainerdSocket+"\n"), 0o644)
}

// Unpack leaves below dataDir what K3s unpacks there before it becomes one of the programs that it contains, unless it
// lies there or below the fallback. Here it is links to the programs, which lie beside the program itself.
func Unpack(dataDir, fallback, self, release string) error {
	sum := sha256.Sum256([]byte(release))
	name := hex.EncodeToString(sum[:])
	for _, folder := range []string{dataDir, fallback} {
		if _, err := os.Lstat(filepath.Join(folder, "data", name, "bin", filepath.Base(self))); err == nil {
			return nil
		}
	}
	bin := filepath.Join(dataDir, "data", name, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	// The program itself comes last, since it tells that all is there.
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "ctr", filepath.Base(self)} {
		if err := link(filepath.Join(filepath.Dir(self), program), filepath.Join(bin, program)); err != nil {
			return err
		}
	}
	return link(name, filepath.Join(dataDir, "data", "current"))
}

// link makes a symbolic link; another run may make the same one at the same time.
func link(target, path string) error {
	if err := os.Symlink(target, path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
