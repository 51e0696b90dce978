// Command wharfie shows what K3s makes of a registries.yaml, without a machine.
//
//	wharfie parse FILE             the parsed file as JSON; exit 1 where K3s would refuse to start
//	wharfie render FILE CERTS_D    writes CERTS_D/<host>/hosts.toml as K3s does at its start, clean-up included
//	wharfie auth FILE              the credentials part of containerd's config.toml
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"k3s-registry.lab/tools/registries"
)

func main() {
	logrus.SetLevel(logrus.WarnLevel)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wharfie:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: wharfie parse FILE | render FILE CERTS_D | auth FILE")
	}
	registry, err := registries.Load(args[1])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "parse" && len(args) == 2:
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(registry)
	case args[0] == "render" && len(args) == 3:
		return registries.Derive(registry, false).Write(args[2])
	case args[0] == "auth" && len(args) == 2:
		fmt.Print(registries.AuthTOML(registry))
		return nil
	}
	return fmt.Errorf("unknown command %q, or a wrong number of arguments", args[0])
}
