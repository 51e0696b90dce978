package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"k3s-registry.lab/tools/nodeconfig"
	"k3s-registry.lab/tools/supervision"
)

const (
	manifestsInterval = time.Second
	manifestsManager  = "k3s-deploy"
)

// deployer applies manifests with server-side apply, as the cluster's administrator.
type deployer struct {
	objects dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	// applied holds the digest of each file as last applied without error.
	applied map[string]string
}

// keepManifests applies each file of server/manifests, again when it changes and again when it failed (a resource of a
// kind whose definition is not there yet, a webhook whose pod is still starting). It deletes nothing.
func keepManifests(ctx context.Context, cfg nodeconfig.Config) {
	settings, err := clientcmd.BuildConfigFromFlags("", cfg.ServerFolder("cred", "admin.kubeconfig"))
	if err != nil {
		supervision.Logf("manifests: %v", err)
		return
	}
	settings.QPS, settings.Burst = 100, 200
	objects, err := dynamic.NewForConfig(settings)
	if err != nil {
		supervision.Logf("manifests: %v", err)
		return
	}
	api, err := discovery.NewDiscoveryClientForConfig(settings)
	if err != nil {
		supervision.Logf("manifests: %v", err)
		return
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(api))
	d := &deployer{objects: objects, mapper: mapper, applied: map[string]string{}}
	for {
		d.applyFolder(ctx, cfg.ServerFolder("manifests"), cfg.Disable)
		select {
		case <-ctx.Done():
			return
		case <-time.After(manifestsInterval):
		}
	}
}

func (d *deployer) applyFolder(ctx context.Context, folder string, disabled []string) {
	files, _ := filepath.Glob(filepath.Join(folder, "*.yaml"))
	for _, file := range files {
		// As in K3s, a manifest of that name is skipped whoever has put it there.
		if slices.Contains(disabled, strings.TrimSuffix(filepath.Base(file), ".yaml")) {
			continue
		}
		digest, err := sha256Of(file)
		if err != nil || d.applied[file] == digest {
			continue
		}
		if err := d.applyFile(ctx, file); err != nil {
			supervision.Logf("applying %s: %v", file, err)
			continue
		}
		d.applied[file] = digest
		supervision.Logf("applied %s", file)
	}
}

func (d *deployer) applyFile(ctx context.Context, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var failures []error
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return errors.Join(failures...)
		}
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		if len(object.Object) == 0 {
			continue
		}
		if err := d.applyObject(ctx, &object); err != nil {
			failures = append(failures, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err))
		}
	}
}

func (d *deployer) applyObject(ctx context.Context, object *unstructured.Unstructured) error {
	if object.IsList() {
		return object.EachListItem(func(item runtime.Object) error {
			return d.applyObject(ctx, item.(*unstructured.Unstructured))
		})
	}
	kind := object.GroupVersionKind()
	mapping, err := d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		d.mapper.Reset()
		mapping, err = d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return err
	}
	var resources dynamic.ResourceInterface = d.objects.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = metav1.NamespaceDefault
		}
		resources = d.objects.Resource(mapping.Resource).Namespace(namespace)
	}
	body, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	_, err = resources.Patch(ctx, object.GetName(), types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: manifestsManager, Force: &force})
	return err
}
