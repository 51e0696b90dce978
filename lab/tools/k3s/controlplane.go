package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/supervision"
)

const etcdClient = "127.0.0.1:2379"

// startControlPlane returns when the API server reports ready; controller manager and scheduler are then running.
func startControlPlane(children *supervision.Group, cfg nodeconfig.Config) error {
	if err := startEtcd(children, cfg); err != nil {
		return err
	}
	tls := func(name string) string { return cfg.ServerFolder("tls", name) }
	issuer := "https://kubernetes.default.svc." + cfg.ClusterDomain
	err := children.Start("kube-apiserver", "",
		"--etcd-servers=http://"+etcdClient,
		"--advertise-address="+cfg.NodeIP,
		"--secure-port=6443",
		"--service-cluster-ip-range="+cfg.ServiceCIDR,
		"--tls-cert-file="+tls("serving-kube-apiserver.crt"),
		"--tls-private-key-file="+tls("serving-kube-apiserver.key"),
		"--client-ca-file="+tls("client-ca.crt"),
		"--kubelet-client-certificate="+tls("client-kube-apiserver.crt"),
		"--kubelet-client-key="+tls("client-kube-apiserver.key"),
		// The machines' names resolve nowhere but on themselves.
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer="+issuer,
		"--api-audiences="+issuer+",k3s",
		"--service-account-key-file="+tls("service.key"),
		"--service-account-signing-key-file="+tls("service.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	ready, err := apiReady(cfg.ServerFolder("cred", "admin.kubeconfig"))
	if err != nil {
		return err
	}
	if err := children.Await("API server ready", 100*time.Millisecond, ready); err != nil {
		return err
	}
	controller, scheduler := cfg.ServerFolder("cred", "controller.kubeconfig"), cfg.ServerFolder("cred", "scheduler.kubeconfig")
	err = children.Start("kube-controller-manager", "",
		"--kubeconfig="+controller,
		"--authentication-kubeconfig="+controller,
		"--authorization-kubeconfig="+controller,
		"--bind-address=127.0.0.1",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+tls("service.key"),
		"--root-ca-file="+tls("server-ca.crt"),
		"--cluster-signing-cert-file="+tls("client-ca.crt"),
		"--cluster-signing-key-file="+tls("client-ca.key"),
		// Each node's pod network is fixed in its CNI configuration.
		"--allocate-node-cidrs=false",
		"--leader-elect=false",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	return children.Start("kube-scheduler", "",
		"--kubeconfig="+scheduler,
		"--authentication-kubeconfig="+scheduler,
		"--authorization-kubeconfig="+scheduler,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--profiling=false",
	)
}

func startEtcd(children *supervision.Group, cfg nodeconfig.Config) error {
	path, err := exec.LookPath("etcd")
	if err != nil {
		return err
	}
	data := cfg.ServerFolder("db", "etcd")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	args := []string{
		"--name=default",
		"--data-dir=" + data,
		"--listen-client-urls=http://" + etcdClient,
		"--advertise-client-urls=http://" + etcdClient,
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380",
		"--logger=zap",
		"--log-level=warn",
	}
	// A throwaway cluster need not survive a power cut. Tried, since etcd 3.4 has the switch but its help is silent on it.
	if exec.Command(path, "--unsafe-no-fsync", "--version").Run() == nil {
		args = append(args, "--unsafe-no-fsync")
	}
	if err := children.Start("etcd", path, args...); err != nil {
		return err
	}
	return children.Await("etcd ready", 100*time.Millisecond, func(ctx context.Context) bool {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", etcdClient)
		if err != nil {
			return false
		}
		connection.Close()
		return true
	})
}

// apiReady gives a check whether the API server that a kubeconfig names reports ready.
func apiReady(kubeconfig string) (func(context.Context) bool, error) {
	client, url, err := apiClient(kubeconfig)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return false
		}
		answer, err := client.Do(request)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, nil
}

func apiClient(kubeconfig string) (*http.Client, string, error) {
	settings, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, "", err
	}
	settings.Timeout = 5 * time.Second
	client, err := rest.HTTPClientFor(settings)
	if err != nil {
		return nil, "", err
	}
	return client, strings.TrimSuffix(settings.Host, "/"), nil
}
