// Command alpine is what Alpine, the base of the registry's image, has and Debian's busybox lacks: `flock`, and an
// `ssl_client` that checks certificates against /etc/ssl/cert.pem. Like busybox, it is the program by whose name it is
// called.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const authorities = "/etc/ssl/cert.pem"

func main() {
	var err error
	switch name := filepath.Base(os.Args[0]); name {
	case "flock":
		err = flock(os.Args[1:])
	case "ssl_client":
		err = sslClient(os.Args[1:])
	default:
		err = fmt.Errorf("%s: not a program of this one", name)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// flock locks a file that the caller has open: `flock [-s | -x | -u] [-n] FD`.
func flock(arguments []string) error {
	set := flag.NewFlagSet("flock", flag.ContinueOnError)
	shared, exclusive := set.Bool("s", false, ""), set.Bool("x", false, "")
	unlock, now := set.Bool("u", false, ""), set.Bool("n", false, "")
	if err := set.Parse(arguments); err != nil {
		return err
	}
	file, err := strconv.Atoi(set.Arg(0))
	if err != nil || set.NArg() != 1 {
		return errors.New("flock: only FD is accepted here")
	}
	how := syscall.LOCK_EX
	if *shared && !*exclusive {
		how = syscall.LOCK_SH
	}
	if *unlock {
		how = syscall.LOCK_UN
	}
	if *now {
		how |= syscall.LOCK_NB
	}
	return syscall.Flock(file, how)
}

// sslClient connects standard input and output with a server, through TLS on a connection that the caller has open:
// `ssl_client -s FD -n NAME [-I]`.
func sslClient(arguments []string) error {
	set := flag.NewFlagSet("ssl_client", flag.ContinueOnError)
	file, name := set.Int("s", 1, ""), set.String("n", "", "")
	insecure := set.Bool("I", false, "")
	if err := set.Parse(arguments); err != nil {
		return err
	}
	raw, err := net.FileConn(os.NewFile(uintptr(*file), "connection"))
	if err != nil {
		return err
	}
	known := x509.NewCertPool()
	if pem, err := os.ReadFile(authorities); err == nil {
		known.AppendCertsFromPEM(pem)
	}
	connection := tls.Client(raw, &tls.Config{ServerName: *name, RootCAs: known, InsecureSkipVerify: *insecure})
	if err := connection.Handshake(); err != nil {
		return fmt.Errorf("%s: %w", *name, err)
	}
	go io.Copy(connection, os.Stdin)
	_, err = io.Copy(os.Stdout, connection)
	return err
}
