package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/supervision"
)

// importImages puts every archive of agent/images into containerd. An archive imported before, with the same content, is
// passed over; the record of that lies in containerd's own folder, so that it goes when the images go.
func importImages(ctx context.Context, cfg nodeconfig.Config) error {
	archives, err := filepath.Glob(cfg.Agent("images", "*.tar"))
	if err != nil {
		return err
	}
	record := cfg.Agent("containerd", "imported-archives.json")
	imported := map[string]string{}
	if content, err := os.ReadFile(record); err == nil {
		// A record that does not parse only costs a second import.
		_ = json.Unmarshal(content, &imported)
	}
	for _, archive := range archives {
		digest, err := sha256Of(archive)
		if err != nil {
			return err
		}
		if imported[archive] == digest {
			continue
		}
		began := time.Now()
		ctr := exec.CommandContext(ctx, "/usr/local/bin/ctr", "--address", nodeconfig.ContainerdSocket, "--namespace", "k8s.io",
			"images", "import", archive)
		if output, err := ctr.CombinedOutput(); err != nil {
			return fmt.Errorf("importing %s: %w: %s", archive, err, output)
		}
		supervision.Logf("imported %s in %.1f s", archive, time.Since(began).Seconds())
		imported[archive] = digest
		content, err := json.Marshal(imported)
		if err != nil {
			return err
		}
		if err := os.WriteFile(record, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func sha256Of(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
