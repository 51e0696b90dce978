// Package registries turns a K3s registries.yaml into what containerd reads: one hosts.toml per registry, and the
// credentials that go into config.toml. It follows K3s 1.34 to the letter, its surprises included, because the product's
// scripts are tested against it.
package registries

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/rancher/wharfie/pkg/registries"
	"github.com/sirupsen/logrus"
)

// Endpoint is one place from which images of a registry are pulled.
type Endpoint struct {
	// URL is nil where containerd is to derive it from the image reference.
	URL *url.URL
	// OverridePath is set when the URL has a path of its own that replaces /v2.
	OverridePath bool
	Rewrites     map[string]string
	Config       registries.RegistryConfig
}

// Host is the content of one hosts.toml.
type Host struct {
	// Default is the registry itself; nil when only mirrors may be asked.
	Default *Endpoint
	Mirrors []Endpoint
}

// Hosts maps a folder name under certs.d to its content.
type Hosts map[string]Host

// Any is the registries.yaml key for every registry without an entry; defaultFolder is its folder.
const (
	Any           = "*"
	defaultFolder = "_default"
)

// retryInterval is K3s's pause between two attempts to read a registries.yaml that does not parse.
const retryInterval = 5 * time.Second

// Load parses a registries.yaml with the parser K3s uses. A missing file is an empty configuration; unknown keys are
// ignored; a file that is not YAML of that shape is an error.
func Load(path string) (*registries.Registry, error) {
	loaded, err := registries.GetPrivateRegistries(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return loaded.Registry, nil
}

// Await loads registries.yaml. Like K3s it never gives up on one that does not parse: the unit stays up, says why every few
// seconds and the node does not become ready. It returns an error only when ctx ends.
func Await(ctx context.Context, path string, log func(string, ...any)) (*registries.Registry, error) {
	for {
		registry, err := Load(path)
		if err == nil {
			return registry, nil
		}
		log("Waiting to retrieve agent configuration; server is not ready: failed to load registry configuration: %v", err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(retryInterval):
		}
	}
}

// Derive gives the hosts for which a hosts.toml is due. noDefaultEndpoint is K3s's --disable-default-registry-endpoint:
// a mirrored registry is then not asked itself unless it has a configs entry.
func Derive(registry *registries.Registry, noDefaultEndpoint bool) Hosts {
	hosts := Hosts{}
	for name, config := range registry.Configs {
		host, err := hostOf(name, config)
		if err != nil {
			logrus.Errorf("Failed to generate config for registry %s: %v", name, err)
			continue
		}
		hosts[folderOf(name)] = host
	}
	for name, mirror := range registry.Mirrors {
		// K3s looks for the key as written, so a configs entry for "*" is not merged into a mirrors entry for "*".
		host, configured := hosts[name]
		if !configured {
			var err error
			if host, err = hostOf(name, configFor(registry.Configs, name)); err != nil {
				logrus.Errorf("Failed to generate config for registry %s: %v", name, err)
				continue
			}
			switch {
			case noDefaultEndpoint:
				host.Default = nil
			case name == Any:
				host.Default = &Endpoint{URL: &url.URL{}}
			}
		}
		host.addMirrors(name, mirror, registry.Configs)
		hosts[folderOf(name)] = host
	}
	for name, host := range hosts {
		if len(host.Mirrors) == 0 && !host.Default.configured() {
			delete(hosts, name)
		}
	}
	return hosts
}

func (h *Host) addMirrors(name string, mirror registries.Mirror, configs map[string]registries.RegistryConfig) {
	seen := map[string]bool{}
	for i, address := range mirror.Endpoints {
		registryName, location, override, err := normalize(address)
		if err != nil {
			logrus.Warnf("Ignoring invalid endpoint URL %d=%s for %s: %v", i, address, name, err)
			continue
		}
		if seen[location.String()] {
			logrus.Warnf("Skipping duplicate endpoint URL %d=%s for %s", i, address, name)
			continue
		}
		seen[location.String()] = true
		endpoint := Endpoint{
			URL:          location,
			OverridePath: override,
			Rewrites:     mirror.Rewrites,
			Config:       configFor(configs, registryName),
		}
		// Last in the list and the registry itself: containerd asks it last anyway, as the default.
		if i+1 == len(mirror.Endpoints) && h.Default.location() == endpoint.location() {
			h.Default = &endpoint
		} else {
			h.Mirrors = append(h.Mirrors, endpoint)
		}
	}
}

func hostOf(name string, config registries.RegistryConfig) (Host, error) {
	if name == Any {
		return Host{Default: &Endpoint{Config: config}}, nil
	}
	_, location, _, err := normalize(name)
	if err != nil {
		return Host{}, fmt.Errorf("invalid endpoint URL %s: %w", name, err)
	}
	return Host{Default: &Endpoint{URL: location, Config: config}}, nil
}

func folderOf(name string) string {
	if name == Any {
		return defaultFolder
	}
	return name
}

// configFor finds the settings of a registry by its host and port exactly as they stand in the endpoint; only Docker
// Hub has a second name.
func configFor(configs map[string]registries.RegistryConfig, name string) registries.RegistryConfig {
	if alias, err := docker.DefaultHost(name); err == nil && alias != name {
		if config, ok := configs[alias]; ok {
			return config
		}
	}
	return configs[name]
}

// normalize completes an endpoint with scheme and path as containerd would, and gives the name under which its settings
// are found.
func normalize(endpoint string) (name string, location *url.URL, override bool, err error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "//" + endpoint
	}
	if location, err = url.Parse(endpoint); err != nil {
		return "", nil, false, err
	}
	if location.Scheme == "" {
		location.Scheme = "https"
		if port := location.Port(); docker.IsLocalhost(location.Host) && port != "" && port != "443" {
			location.Scheme = "http"
		}
	}
	name = location.Host
	if location.Host, err = docker.DefaultHost(name); err != nil {
		return "", nil, false, err
	}
	if location.Host == "registry-1.docker.io" {
		name = "docker.io"
	}
	switch location.Path {
	case "", "/", "/v2":
		location.Path = "/v2"
		return name, location, false, nil
	}
	return name, location, true, nil
}

func (e *Endpoint) location() string {
	if e == nil || e.URL == nil {
		return ""
	}
	return e.URL.String()
}

func (e *Endpoint) configured() bool {
	return e != nil && (e.OverridePath || e.Config.Auth != nil || e.Config.TLS != nil || len(e.Rewrites) > 0)
}
