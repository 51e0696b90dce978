package clusterkeys

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"k3s-registry.lab/tools/nodeconfig"
)

const (
	// joinPort is where nodes join. K3s itself answers them on the API server's port.
	joinPort     = "9345"
	joinUser     = "node"
	nodeHeader   = "K3s-Node-Name"
	prefix       = "/v1-k3s/"
	joinPatience = 10 * time.Second
)

// Serve answers nodes that join, until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	pair, err := tls.LoadX509KeyPair(s.tls("serving-kube-apiserver.crt"), s.tls("serving-kube-apiserver.key"))
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", ":"+joinPort, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return fmt.Errorf("listening for nodes that join: %w", err)
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: joinPatience}
	context.AfterFunc(ctx, func() { server.Close() })
	// It ends with the context alone.
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (s *Server) handler() http.Handler {
	paths := http.NewServeMux()
	paths.HandleFunc("GET /cacerts", func(answer http.ResponseWriter, _ *http.Request) { answer.Write(s.serverCA.pem) })
	for name, content := range map[string]func(node string) ([]byte, error){
		"client-ca.crt": func(string) ([]byte, error) { return s.clientCA.pem, nil },
		"client-kubelet.crt": func(node string) ([]byte, error) {
			certificate, key, err := sign(client("system:node:"+node, "system:nodes"), &s.clientCA)
			return append(certificate, key...), err
		},
		"client-kube-proxy.crt": func(string) ([]byte, error) {
			certificate, err := os.ReadFile(s.tls("client-kube-proxy.crt"))
			if err != nil {
				return nil, err
			}
			key, err := os.ReadFile(s.tls("client-kube-proxy.key"))
			return append(certificate, key...), err
		},
	} {
		paths.HandleFunc("GET "+prefix+name, func(answer http.ResponseWriter, request *http.Request) {
			_, password := splitToken(s.Token)
			_, given, _ := request.BasicAuth()
			if subtle.ConstantTimeCompare([]byte(given), []byte(password)) != 1 {
				http.Error(answer, "the token is not this cluster's", http.StatusUnauthorized)
				return
			}
			node := request.Header.Get(nodeHeader)
			if complaints := validation.IsDNS1123Subdomain(node); len(complaints) > 0 {
				http.Error(answer, "the node's name: "+complaints[0], http.StatusBadRequest)
				return
			}
			body, err := content(node)
			if err != nil {
				http.Error(answer, err.Error(), http.StatusInternalServerError)
				return
			}
			answer.Write(body)
		})
	}
	return paths
}

// Join fetches the certificates of this node from the server that config names, and writes them and the node's
// kubeconfigs below the agent's directory.
func Join(ctx context.Context, config nodeconfig.Config) error {
	server, err := url.Parse(config.Server)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return join(ctx, config, "https://"+net.JoinHostPort(server.Hostname(), joinPort))
}

func join(ctx context.Context, config nodeconfig.Config, base string) error {
	wanted, password := splitToken(config.Token)
	// The server proves itself by the fingerprint in the token; a short token has none, and trusts as K3s then does.
	authority, err := get(ctx, base+"/cacerts", "", "", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	if found := fingerprint(authority); wanted != "" && found != wanted {
		return fmt.Errorf("token: the authority of %s has fingerprint %s and the token names %s; "+
			"use the token of this cluster, from server/token in its data-dir", base, found, wanted)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s/cacerts is no certificate", base)
	}
	trust := &tls.Config{RootCAs: roots}
	fetched := map[string][]byte{}
	for _, name := range []string{"client-ca", "client-kubelet", "client-kube-proxy"} {
		body, err := get(ctx, base+prefix+name+".crt", password, config.NodeName, trust)
		if err != nil {
			return err
		}
		certificate, key := split(body)
		fetched[name+".crt"] = certificate
		if key != nil {
			fetched[name+".key"] = key
		}
	}
	fetched["server-ca.crt"] = authority
	for name, content := range fetched {
		if err := write(config.Agent(name), content); err != nil {
			return err
		}
	}
	own := config.Agent("server-ca.crt")
	return errors.Join(
		writeKubeconfig(config.Agent("kubelet.kubeconfig"), config.Server, own, config.Agent("client-kubelet"), false),
		writeKubeconfig(config.Agent("kubeproxy.kubeconfig"), config.Server, own, config.Agent("client-kube-proxy"), false))
}

func get(ctx context.Context, address, password, node string, trust *tls.Config) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if password != "" {
		request.SetBasicAuth(joinUser, password)
		request.Header.Set(nodeHeader, node)
	}
	// Without a proxy of the environment's: the server is on the node's own network.
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	answer, err := caller.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", address, answer.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// split separates certificates from a private key, which may follow them.
func split(content []byte) (certificates, key []byte) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			key = append(key, pem.EncodeToMemory(block)...)
		} else {
			certificates = append(certificates, pem.EncodeToMemory(block)...)
		}
	}
	return certificates, key
}
