package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

// labelControlPlane gives the server's node the role label that a kubelet may not give itself.
func labelControlPlane(ctx context.Context, cfg config) {
	settings, err := clientcmd.BuildConfigFromFlags("", cfg.server("cred", "admin.kubeconfig"))
	if err != nil {
		logf("labels: %v", err)
		return
	}
	client, err := dynamic.NewForConfig(settings)
	if err != nil {
		logf("labels: %v", err)
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
