package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"k3s-registry.lab/tools/clusterkeys"
	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/registries"
	"k3s-registry.lab/tools/supervision"
)

// runNode is `k3s server` and `k3s agent`. It returns when a signal says so; a component that ends makes the whole
// unit fail, and systemd start it again.
func runNode(role string, args []string) {
	configFile := nodeconfig.ConfigFile(args)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	notify := takeNotifySocket()

	supervision.Logf("starting k3s %s %s", role, version)
	cfg, err := nodeconfig.Load(role, configFile, args)
	if err != nil {
		fatalf("k3s: %v", err)
	}
	if cfg.Words, err = nodeconfig.Arguments(role, args, configFile); err != nil {
		fatalf("k3s: %v", err)
	}
	children := supervision.New(ctx)
	err = runComponents(children, cfg, role == "server", notify)
	stopped := ctx.Err() != nil
	children.Stop()
	if err != nil && !stopped && !errors.Is(err, context.Canceled) {
		fatalf("k3s: %v", err)
	}
}

// runComponents brings the node up and returns when the group has ended. As in K3s, what systemd waits for is the control
// plane, which needs nothing of registries.yaml: a broken one costs the machine its node, not the cluster its API.
func runComponents(children *supervision.Group, cfg nodeconfig.Config, isServer bool, notify func()) error {
	if isServer {
		keys, err := clusterkeys.Prepare(cfg, clusterkeys.AdminKubeconfig)
		if err != nil {
			return err
		}
		if err := keys.Serve(children.Context); err != nil {
			return err
		}
		cfg.Token = keys.Token
	}
	failed := make(chan error, 2)
	parts := 1
	go func() { failed <- startRuntime(children, cfg) }()
	if isServer {
		parts++
		go func() { failed <- startServer(children, cfg, notify) }()
	}
	for range parts {
		if err := <-failed; err != nil {
			return err
		}
	}
	if err := startAgent(children, cfg, isServer); err != nil {
		return err
	}
	go noteArguments(children.Context, cfg)
	if !isServer {
		notify()
	}
	supervision.Logf("up and running")
	<-children.Context.Done()
	return context.Cause(children.Context)
}

// startServer returns when the API server is ready, and has told systemd so.
func startServer(children *supervision.Group, cfg nodeconfig.Config, notify func()) error {
	if err := startControlPlane(children, cfg); err != nil {
		return err
	}
	notify()
	go keepManifests(children.Context, cfg)
	go labelControlPlane(children.Context, cfg)
	return nil
}

// startRuntime waits for a registries.yaml that can be read, or none, and starts containerd by it.
func startRuntime(children *supervision.Group, cfg nodeconfig.Config) error {
	registry, err := registries.Await(children.Context, cfg.PrivateRegistry, supervision.Logf)
	if err != nil {
		return err
	}
	if err := registries.Derive(registry, cfg.DisableDefaultRegistryEndpoint).Write(cfg.CertsD()); err != nil {
		return fmt.Errorf("writing %s: %w", cfg.CertsD(), err)
	}
	if err := writeContainerdConfig(cfg, registry); err != nil {
		return err
	}
	return startContainerd(children, cfg)
}

// takeNotifySocket takes systemd's readiness socket for the supervisor alone: a component that inherits it would report
// itself ready on it, whatever the rest is doing.
func takeNotifySocket() func() {
	address := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	return func() {
		if address == "" {
			return
		}
		socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			supervision.Logf("telling systemd that the node is up: %v", err)
			return
		}
		defer socket.Close()
		if _, err := socket.Write([]byte("READY=1\n")); err != nil {
			supervision.Logf("telling systemd that the node is up: %v", err)
		}
	}
}
