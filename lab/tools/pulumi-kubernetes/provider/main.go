// Command provider is upstream's Kubernetes provider, which here keeps two promises of later releases.
//
// It refuses to create an object that exists, as upstream does from release 4.29 on; this module is 4.25, which would
// silently take the object over. And the update of a claim does not wait for a phase that a bound claim never has again,
// as in 4.25; upstream takes a bound claim for ready from 4.27 on.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	_ "unsafe" // for go:linkname

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// The only way to an interceptor: upstream's `Serve` creates the server and takes no options for it.
//
//go:linkname addGlobalServerOptions google.golang.org/grpc/internal.AddGlobalServerOptions
var addGlobalServerOptions any

// The kinds for whose objects upstream waits after a create or an update. Only the size of the map's values must be right.
//
//go:linkname awaiters github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/await.awaiters
var awaiters map[string]struct{ await, awaitRead func() }

func main() {
	// A new claim of a class that binds late is Pending at once, so that there is nothing else to wait for.
	delete(awaiters, "v1/PersistentVolumeClaim")
	addGlobalServerOptions.(func(...grpc.ServerOption))(grpc.ChainUnaryInterceptor(refuseExisting))
	// The engine warns about a plugin of another version than its folder `resource-kubernetes-vVERSION` says.
	_, version, _ := strings.Cut(filepath.Base(filepath.Dir(os.Args[0])), "-v")
	provider.Serve("kubernetes", version, beside("schema.json"), beside("terraform-mapping.json"))
}

// beside returns the content of a file in the program's directory.
func beside(name string) []byte {
	program, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(program), name))
	if err != nil {
		log.Fatal(err)
	}
	return content
}

func refuseExisting(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (any, error) {
	create, isCreate := request.(*pulumirpc.CreateRequest)
	server, isProvider := info.Server.(pulumirpc.ResourceProviderServer)
	if !isCreate || !isProvider || create.GetPreview() {
		return handle(ctx, request)
	}
	kind := resource.URN(create.GetUrn()).Type().Name().String()
	id, name := identity(create.GetProperties())
	if name == "" || strings.HasSuffix(kind, "Patch") {
		return handle(ctx, request)
	}
	// An ID and nothing else makes upstream fetch the object without waiting for it. What else goes wrong, the create
	// reports too.
	found, err := server.Read(ctx, &pulumirpc.ReadRequest{Id: id, Urn: create.GetUrn()})
	if err == nil && found.GetId() != "" {
		return nil, fmt.Errorf(
			"resource %q was not successfully created by the Kubernetes API server: %ss %q already exists",
			create.GetUrn(), strings.ToLower(kind), name)
	}
	return handle(ctx, request)
}

// identity returns the ID that upstream gives the object of these inputs, and its name.
func identity(inputs *structpb.Struct) (id, name string) {
	metadata := inputs.GetFields()["metadata"].GetStructValue().GetFields()
	name = metadata["name"].GetStringValue()
	if namespace := metadata["namespace"].GetStringValue(); namespace != "" {
		return namespace + "/" + name, name
	}
	return name, name
}
