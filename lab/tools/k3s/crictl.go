package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	cri "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// unconfigured is where crictl looks for a containerd when nothing names one to it: not where K3s's own listens.
const unconfigured = "unix:///run/containerd/containerd.sock"

// criTimeout bounds a connection and every call but a pull, which may take as long as it takes.
const criTimeout = 10 * time.Second

// crictl is the part of cri-tools' client that K3s's users and the node scripts need: same words, same output, same
// exit status.
type crictl struct {
	endpoint string
}

func runCrictl(args []string) int {
	client := &crictl{}
	root := &cobra.Command{
		Use:           "crictl",
		Short:         "client for CRI",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	endpoint, err := configuredEndpoint()
	if err != nil {
		return fail(err)
	}
	root.PersistentFlags().StringVarP(&client.endpoint, "runtime-endpoint", "r", endpoint, "socket of the runtime")
	root.AddCommand(client.pullCommand(), client.removeCommand(), client.imagesCommand(), client.inspectImageCommand(),
		client.psCommand(), client.infoCommand())
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		return fail(err)
	}
	return 0
}

// fail reports in the form of upstream's last line: FATA[0000] what went wrong.
func fail(err error) int {
	logrus.SetOutput(os.Stderr)
	logrus.StandardLogger().ExitFunc = func(int) {}
	logrus.Fatal(err)
	return 1
}

// configuredEndpoint is the socket that the environment names, or the configuration file that K3s found for crictl.
func configuredEndpoint() (string, error) {
	if endpoint := os.Getenv("CONTAINER_RUNTIME_ENDPOINT"); endpoint != "" {
		return endpoint, nil
	}
	settings := struct {
		Endpoint string `json:"runtime-endpoint"`
	}{unconfigured}
	if file := os.Getenv("CRI_CONFIG_FILE"); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("load config file: %w", err)
		}
		if err := yaml.Unmarshal(content, &settings); err != nil {
			return "", fmt.Errorf("load config file: %w", err)
		}
	}
	return settings.Endpoint, nil
}

func (c *crictl) images() (internalapi.ImageManagerService, error) {
	logger := klog.Background()
	service, err := cri.NewRemoteImageService(c.endpoint, criTimeout, nil, &logger)
	if err != nil {
		return nil, fmt.Errorf("validate service connection: validate CRI v1 image API for endpoint %q: %w", c.endpoint, err)
	}
	return service, nil
}

func (c *crictl) runtime() (internalapi.RuntimeService, error) {
	logger := klog.Background()
	service, err := cri.NewRemoteRuntimeService(c.endpoint, criTimeout, nil, &logger)
	if err != nil {
		return nil, fmt.Errorf("validate service connection: validate CRI v1 runtime API for endpoint %q: %w", c.endpoint, err)
	}
	return service, nil
}

func (c *crictl) pullCommand() *cobra.Command {
	var credentials, auth string
	command := &cobra.Command{
		Use:   "pull NAME[:TAG|@DIGEST]",
		Short: "Pull an image from a registry",
		Args:  exactly(1, "Image name required"),
		RunE: func(_ *cobra.Command, args []string) error {
			authConfig, err := authOf(credentials, auth)
			if err != nil {
				return err
			}
			images, err := c.images()
			if err != nil {
				return err
			}
			reference, err := images.PullImage(context.Background(), &runtimeapi.ImageSpec{Image: args[0], UserSpecifiedImage: args[0]}, authConfig, nil)
			if err != nil {
				return fmt.Errorf("pulling image: %w", err)
			}
			fmt.Printf("Image is up to date for %s\n", reference)
			return nil
		},
	}
	command.Flags().StringVar(&credentials, "creds", "", "USERNAME[:PASSWORD] for the registry")
	command.Flags().StringVar(&auth, "auth", "", "base64 of USERNAME[:PASSWORD] for the registry")
	return command
}

func authOf(credentials, auth string) (*runtimeapi.AuthConfig, error) {
	switch {
	case credentials != "" && auth != "":
		return nil, errors.New("both `--creds` and `--auth` are specified")
	case credentials != "":
		username, password, _ := strings.Cut(credentials, ":")
		return &runtimeapi.AuthConfig{Username: username, Password: password}, nil
	case auth != "":
		if _, err := base64.StdEncoding.DecodeString(auth); err != nil {
			return nil, fmt.Errorf("decode auth: %w", err)
		}
		return &runtimeapi.AuthConfig{Auth: auth}, nil
	}
	return nil, nil
}

func (c *crictl) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rmi IMAGE-ID [IMAGE-ID...]",
		Short: "Remove one or more images",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			images, err := c.images()
			if err != nil {
				return err
			}
			failed := false
			for _, name := range names {
				if err := removeImage(images, name); err != nil {
					logrus.Error(err)
					failed = true
				}
			}
			if failed {
				return errors.New("unable to remove the image(s)")
			}
			return nil
		},
	}
}

func removeImage(images internalapi.ImageManagerService, name string) error {
	spec := &runtimeapi.ImageSpec{Image: name}
	status, err := images.ImageStatus(context.Background(), spec, false)
	if err != nil {
		return fmt.Errorf("image status request for %q failed: %w", name, err)
	}
	if status.GetImage() == nil {
		return fmt.Errorf("no such image %s", name)
	}
	if err := images.RemoveImage(context.Background(), spec); err != nil {
		return fmt.Errorf("error of removing image %q: %w", name, err)
	}
	deleted := status.GetImage().GetRepoTags()
	if len(deleted) == 0 {
		deleted = []string{name}
	}
	for _, tag := range deleted {
		fmt.Printf("Deleted: %s\n", tag)
	}
	return nil
}

// exactly is cobra.ExactArgs with upstream's words for a missing argument.
func exactly(count int, complaint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != count {
			return errors.New(complaint)
		}
		return nil
	}
}
