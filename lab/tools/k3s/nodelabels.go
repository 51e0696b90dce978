package main

import (
	"context"
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
	settings, err := clientcmd.BuildConfigFromFlags("", cfg.ServerFolder("cred", "admin.kubeconfig"))
	if err != nil {
		supervision.Logf("labels: %v", err)
		return
	}
	client, err := dynamic.NewForConfig(settings)
	if err != nil {
		supervision.Logf("labels: %v", err)
		return
	}
	nodes := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	patch := []byte(`{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`)
	for {
		if _, err := nodes.Patch(ctx, cfg.NodeName, types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
