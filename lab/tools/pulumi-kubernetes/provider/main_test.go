package main

import (
	"context"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// cluster is a provider that finds the objects of these IDs.
type cluster struct {
	pulumirpc.UnimplementedResourceProviderServer
	objects string
}

func (c cluster) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	if c.objects == request.GetId() {
		return &pulumirpc.ReadResponse{Id: request.GetId()}, nil
	}
	return &pulumirpc.ReadResponse{}, nil
}

func TestOnlyTheCreateOfAnObjectThatExistsIsRefused(t *testing.T) {
	for _, test := range []struct {
		title, kind, exists string
		preview             bool
		refusal             string
	}{
		{"it exists", "Secret", "spaced/named", false, `secrets "named" already exists`},
		{"in another namespace", "Secret", "other/named", false, ""},
		{"in a preview", "Secret", "spaced/named", true, ""},
		{"to be patched", "SecretPatch", "spaced/named", false, ""},
	} {
		t.Run(test.title, func(t *testing.T) {
			inputs, err := structpb.NewStruct(map[string]any{
				"metadata": map[string]any{"name": "named", "namespace": "spaced"},
			})
			if err != nil {
				t.Fatal(err)
			}
			created := false
			_, err = refuseExisting(
				context.Background(),
				&pulumirpc.CreateRequest{
					Urn:        "urn:pulumi:dev::p::kubernetes:core/v1:" + test.kind + "::r",
					Properties: inputs,
					Preview:    test.preview,
				},
				&grpc.UnaryServerInfo{Server: cluster{objects: test.exists}},
				func(context.Context, any) (any, error) { created = true; return nil, nil },
			)
			if created != (test.refusal == "") {
				t.Errorf("created: %v", created)
			}
			if test.refusal != "" && (err == nil || !strings.HasSuffix(err.Error(), test.refusal)) {
				t.Errorf("got %v", err)
			}
		})
	}
}
