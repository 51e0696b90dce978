package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"k3s-registry.lab/tools/clusterkeys"
	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/supervision"
)

// startAgent joins the cluster, waits for its API and starts what makes the machine a node.
func startAgent(children *supervision.Group, cfg nodeconfig.Config, isServer bool) error {
	complaint := ""
	joined := func(ctx context.Context) bool {
		err := clusterkeys.Join(ctx, cfg)
		if err != nil && err.Error() != complaint {
			complaint = err.Error()
			supervision.Logf("joining the cluster: %v", err)
		}
		return err == nil
	}
	if err := children.Await("joined the cluster", time.Second, joined); err != nil {
		return err
	}
	kubeconfig := cfg.Agent("kubelet.kubeconfig")
	if !isServer {
		ready, err := apiReady(kubeconfig)
		if err != nil {
			return err
		}
		if err := children.Await("server ready", 200*time.Millisecond, ready); err != nil {
			return err
		}
	}
	kubeletConfig, err := writeKubeletConfig(cfg)
	if err != nil {
		return err
	}
	kubeletArgs := []string{
		"--config=" + kubeletConfig,
		"--kubeconfig=" + kubeconfig,
		"--cert-dir=" + cfg.Agent("pki"),
		"--hostname-override=" + cfg.NodeName,
	}
	if cfg.NodeIP != "" {
		kubeletArgs = append(kubeletArgs, "--node-ip="+cfg.NodeIP)
	}
	if len(cfg.NodeLabel) > 0 {
		kubeletArgs = append(kubeletArgs, "--node-labels="+strings.Join(cfg.NodeLabel, ","))
	}
	if err := children.Start("kubelet", "", kubeletArgs...); err != nil {
		return err
	}
	return children.Start("kube-proxy", "",
		"--kubeconfig="+cfg.Agent("kubeproxy.kubeconfig"),
		"--hostname-override="+cfg.NodeName,
		"--proxy-mode=iptables",
		"--cluster-cidr="+cfg.ClusterCIDR,
		"--iptables-min-sync-period=100ms",
		"--metrics-bind-address=127.0.0.1:10249",
		"--healthz-bind-address=127.0.0.1:10256",
		// Connection tracking is the host kernel's, not the machine's, to tune.
		"--conntrack-max-per-core=0",
		"--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0s",
		"--conntrack-tcp-timeout-close-wait=0s",
	)
}

func writeKubeletConfig(cfg nodeconfig.Config) (string, error) {
	manifests := cfg.Agent("pod-manifests")
	if err := os.MkdirAll(manifests, 0o755); err != nil {
		return "", err
	}
	settings := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": cfg.Agent("client-ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"cgroupDriver":             "cgroupfs",
		"clusterDNS":               []string{cfg.ClusterDNS},
		"clusterDomain":            cfg.ClusterDomain,
		"containerRuntimeEndpoint": "unix://" + nodeconfig.ContainerdSocket,
		"failSwapOn":               false,
		"staticPodPath":            manifests,
		"resolvConf":               nodeconfig.ResolvConf("/etc/resolv.conf"),
		// The host's disk is not the lab's to judge: no eviction, and no image goes that no registry could give back.
		"evictionHard":                map[string]string{},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"serializeImagePulls":         false,
	}
	content, err := yaml.Marshal(settings)
	if err != nil {
		return "", err
	}
	path := cfg.Agent("etc", "kubelet.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o600)
}
