package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	noTag        = "<none>"
	shortIDWidth = 13
)

func (c *crictl) imagesCommand() *cobra.Command {
	var output string
	var digests, quiet, noTrunc bool
	command := &cobra.Command{
		Use:     "images [REPOSITORY[:TAG]]",
		Aliases: []string{"image", "img"},
		Short:   "List images",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			images, err := c.images()
			if err != nil {
				return err
			}
			filter := &runtimeapi.ImageFilter{}
			if len(args) == 1 {
				filter.Image = &runtimeapi.ImageSpec{Image: args[0]}
			}
			list, err := images.ListImages(context.Background(), filter)
			if err != nil {
				return fmt.Errorf("listing images: %w", err)
			}
			switch {
			case output == "json":
				return printJSON(&runtimeapi.ListImagesResponse{Images: list})
			case output != "" && output != "table":
				return fmt.Errorf("unsupported output format %q", output)
			case quiet:
				for _, image := range list {
					fmt.Println(image.GetId())
				}
				return nil
			}
			return printImages(list, digests, noTrunc)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "json or table")
	command.Flags().BoolVar(&digests, "digests", false, "show digests")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "only show image IDs")
	command.Flags().BoolVar(&noTrunc, "no-trunc", false, "show output without truncating the ID")
	return command
}

func printImages(list []*runtimeapi.Image, digests, noTrunc bool) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	header := "IMAGE\tTAG\tIMAGE ID\tSIZE"
	if digests {
		header = "IMAGE\tTAG\tDIGEST\tIMAGE ID\tSIZE"
	}
	fmt.Fprintln(table, header)
	for _, image := range list {
		id := image.GetId()
		digest := noTag
		name := noTag
		if len(image.GetRepoDigests()) > 0 {
			name, digest, _ = strings.Cut(image.GetRepoDigests()[0], "@")
		}
		if !noTrunc {
			id = shortID(id)
			digest = shortID(digest)
		}
		size := units.HumanSizeWithPrecision(float64(image.GetSize()), 3)
		references := image.GetRepoTags()
		if len(references) == 0 {
			references = []string{name + ":" + noTag}
		}
		for _, reference := range references {
			colon := strings.LastIndex(reference, ":")
			row := []string{reference[:colon], reference[colon+1:], id, size}
			if digests {
				row = []string{reference[:colon], reference[colon+1:], digest, id, size}
			}
			fmt.Fprintln(table, strings.Join(row, "\t"))
		}
	}
	return table.Flush()
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	if len(id) > shortIDWidth {
		return id[:shortIDWidth]
	}
	return id
}

func (c *crictl) inspectImageCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "inspecti IMAGE-ID [IMAGE-ID...]",
		Short: "Return the status of one or more images",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			images, err := c.images()
			if err != nil {
				return err
			}
			for _, name := range names {
				status, err := images.ImageStatus(context.Background(), &runtimeapi.ImageSpec{Image: name}, true)
				if err != nil {
					return fmt.Errorf("image status for %q request: %w", name, err)
				}
				if status.GetImage() == nil {
					return fmt.Errorf("no such image %q present", name)
				}
				if err := printStatus(status.GetImage(), status.GetInfo()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "json", "json")
	return command
}

func (c *crictl) infoCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "info",
		Short: "Display information of the container runtime",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			service, err := c.runtime()
			if err != nil {
				return err
			}
			status, err := service.Status(context.Background(), true)
			if err != nil {
				return fmt.Errorf("getting status of runtime: %w", err)
			}
			return printStatus(status.GetStatus(), status.GetInfo())
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "json", "json")
	return command
}

func (c *crictl) psCommand() *cobra.Command {
	var all, quiet bool
	var output string
	command := &cobra.Command{
		Use:   "ps",
		Short: "List containers",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			service, err := c.runtime()
			if err != nil {
				return err
			}
			filter := &runtimeapi.ContainerFilter{}
			if !all {
				filter.State = &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}
			}
			list, err := service.ListContainers(context.Background(), filter)
			if err != nil {
				return fmt.Errorf("listing containers: %w", err)
			}
			switch {
			case output == "json":
				return printJSON(&runtimeapi.ListContainersResponse{Containers: list})
			case quiet:
				for _, container := range list {
					fmt.Println(container.GetId())
				}
				return nil
			}
			return printContainers(list)
		},
	}
	command.Flags().BoolVarP(&all, "all", "a", false, "show all containers")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "only display container IDs")
	command.Flags().StringVarP(&output, "output", "o", "", "json or table")
	return command
}

func printContainers(list []*runtimeapi.Container) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "CONTAINER\tIMAGE\tCREATED\tSTATE\tNAME\tATTEMPT\tPOD ID\tPOD\tNAMESPACE")
	for _, container := range list {
		state := strings.TrimPrefix(container.GetState().String(), "CONTAINER_")
		fmt.Fprintf(table, "%s\t%s\t%s ago\t%s\t%s\t%d\t%s\t%s\t%s\n",
			shortID(container.GetId()), shortID(container.GetImage().GetImage()),
			units.HumanDuration(time.Since(time.Unix(0, container.GetCreatedAt()))),
			state[:1]+strings.ToLower(state[1:]), container.GetMetadata().GetName(),
			container.GetMetadata().GetAttempt(), shortID(container.GetPodSandboxId()),
			container.GetLabels()["io.kubernetes.pod.name"], container.GetLabels()["io.kubernetes.pod.namespace"])
	}
	return table.Flush()
}

// printStatus prints a message with the runtime's own details, each of which is JSON already.
func printStatus(status proto.Message, info map[string]string) error {
	encoded, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(status)
	if err != nil {
		return err
	}
	document := map[string]json.RawMessage{"status": encoded}
	details := map[string]json.RawMessage{}
	for key, value := range info {
		if json.Valid([]byte(value)) {
			details[key] = json.RawMessage(value)
		}
	}
	if nested, ok := details["info"]; ok && len(details) == 1 {
		document["info"] = nested
	} else {
		for key, value := range details {
			document[key] = value
		}
	}
	return printIndented(document)
}

func printJSON(message proto.Message) error {
	encoded, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return err
	}
	return printIndented(json.RawMessage(encoded))
}

// printIndented goes through encoding/json because protojson varies its own white space on purpose.
func printIndented(document any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
