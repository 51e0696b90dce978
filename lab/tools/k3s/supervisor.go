package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rancher/wharfie/pkg/registries"
	rendering "k3s-registry.lab/tools/registries"
)

// registriesRetry is the pause between two attempts to read a registries.yaml that does not parse.
const registriesRetry = 5 * time.Second

// runNode is `k3s server` and `k3s agent`. It returns when a signal says so; a component that ends makes the whole
// unit fail, and systemd start it again.
func runNode(role string, args []string) {
	flags := flag.NewFlagSet("k3s "+role, flag.ExitOnError)
	configFile := flags.String("config", defaultConfigFile, "configuration file")
	_ = flags.Parse(args)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	notify := takeNotifySocket()

	logf("starting k3s %s %s", role, version)
	cfg, err := loadConfig(*configFile)
	if err != nil {
		fatalf("k3s: %v", err)
	}
	children := newGroup(ctx)
	err = runComponents(children, cfg, role == "server", notify)
	stopped := ctx.Err() != nil
	children.stop()
	if err != nil && !stopped && !errors.Is(err, context.Canceled) {
		fatalf("k3s: %v", err)
	}
}

// runComponents brings the node up and returns when the group has ended.
func runComponents(children *group, cfg config, isServer bool, notify func()) error {
	remountCgroups()
	registry, err := awaitRegistries(children.ctx, cfg)
	if err != nil {
		return err
	}
	if err := rendering.Derive(registry, cfg.DisableDefaultRegistryEndpoint).Write(cfg.certsD()); err != nil {
		return fmt.Errorf("writing %s: %w", cfg.certsD(), err)
	}
	if err := writeContainerdConfig(cfg, registry); err != nil {
		return err
	}

	// Containerd with its images and the control plane need nothing of each other.
	failed := make(chan error, 2)
	parts := 1
	go func() { failed <- startContainerd(children, cfg) }()
	if isServer {
		parts++
		go func() { failed <- startControlPlane(children, cfg) }()
	}
	for range parts {
		if err := <-failed; err != nil {
			return err
		}
	}
	if err := startAgent(children, cfg, isServer); err != nil {
		return err
	}
	if isServer {
		go keepManifests(children.ctx, cfg)
		go labelControlPlane(children.ctx, cfg)
	}
	notify()
	logf("up and running")
	<-children.ctx.Done()
	return context.Cause(children.ctx)
}

// awaitRegistries reads registries.yaml. Like K3s it never gives up on one that does not parse: the unit stays up and
// the node does not become ready.
func awaitRegistries(ctx context.Context, cfg config) (*registries.Registry, error) {
	for {
		registry, err := rendering.Load(cfg.PrivateRegistry)
		if err == nil {
			return registry, nil
		}
		logf("Waiting to retrieve agent configuration; server is not ready: failed to load registry configuration: %v", err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(registriesRetry):
		}
	}
}

// takeNotifySocket takes systemd's readiness socket for the supervisor alone: the API server would report itself ready
// on it, long before the node is.
func takeNotifySocket() func() {
	address := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	return func() {
		if address == "" {
			return
		}
		socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			logf("telling systemd that the node is up: %v", err)
			return
		}
		defer socket.Close()
		if _, err := socket.Write([]byte("READY=1\n")); err != nil {
			logf("telling systemd that the node is up: %v", err)
		}
	}
}
