package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/supervision"
)

// labelControlPlane gives the server's node the role label that a kubelet may not give itself.
func labelControlPlane(ctx context.Context, cfg nodeconfig.Config) {
	patch := []byte(`{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`)
	patchNode(ctx, cfg.ServerFolder("cred", "admin.kubeconfig"), cfg.NodeName, patch)
}

// noteArguments notes on the node how K3s was started, as the kubelet may: `kubectl get node -o yaml` shows it.
func noteArguments(ctx context.Context, cfg nodeconfig.Config) {
	words, err := json.Marshal(cfg.Words)
	if err != nil {
		supervision.Logf("node: %v", err)
		return
	}
	variables, err := json.Marshal(nodeconfig.Environment(os.Environ()))
	if err != nil {
		supervision.Logf("node: %v", err)
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		"k3s.io/node-args": string(words),
		"k3s.io/node-env":  string(variables),
	}}})
	if err != nil {
		supervision.Logf("node: %v", err)
		return
	}
	patchNode(ctx, cfg.Agent("kubelet.kubeconfig"), cfg.NodeName, patch)
}

// patchNode tries until the node exists.
func patchNode(ctx context.Context, kubeconfig, name string, patch []byte) {
	settings, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		supervision.Logf("node: %v", err)
		return
	}
	client, err := dynamic.NewForConfig(settings)
	if err != nil {
		supervision.Logf("node: %v", err)
		return
	}
	nodes := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	for {
		if _, err := nodes.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
