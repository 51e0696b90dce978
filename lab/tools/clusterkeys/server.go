package clusterkeys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"k3s-registry.lab/tools/nodeconfig"
)

// AdminKubeconfig is where K3s puts the administrator's credentials on a server.
const AdminKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// tokenMark begins a token that names the cluster's authority by the SHA-256 of its certificate.
const tokenMark = "K10"

// Server holds the keys of a cluster.
type Server struct {
	// Token lets a node join the cluster.
	Token    string
	config   nodeconfig.Config
	serverCA authority
	clientCA authority
}

// Prepare creates the keys, certificates and kubeconfigs that a server does not have yet. Existing ones are kept, so that
// kubeconfigs that were copied elsewhere and nodes that have joined stay valid.
func Prepare(config nodeconfig.Config, adminKubeconfig string) (*Server, error) {
	server := &Server{config: config}
	var err error
	if server.serverCA, err = loadAuthority(server.tls("server-ca"), "k3s-server-ca"); err != nil {
		return nil, err
	}
	if server.clientCA, err = loadAuthority(server.tls("client-ca"), "k3s-client-ca"); err != nil {
		return nil, err
	}
	return server, errors.Join(server.ensureCertificates(), server.ensureServiceKey(), server.ensureToken(),
		server.writeKubeconfigs(adminKubeconfig))
}

func (s *Server) tls(name string) string { return s.config.ServerFolder("tls", name) }

func (s *Server) ensureCertificates() error {
	hosts, err := s.hosts()
	if err != nil {
		return err
	}
	for name, wanted := range map[string]struct {
		described *x509.Certificate
		signer    *authority
	}{
		"serving-kube-apiserver": {serving("kube-apiserver", hosts), &s.serverCA},
		"client-kube-apiserver":  {client("system:apiserver", "system:masters"), &s.clientCA},
		"client-admin":           {client("system:admin", "system:masters"), &s.clientCA},
		"client-controller":      {client("system:kube-controller-manager"), &s.clientCA},
		"client-scheduler":       {client("system:kube-scheduler"), &s.clientCA},
		"client-kube-proxy":      {client("system:kube-proxy"), &s.clientCA},
	} {
		if exist(s.tls(name+".crt"), s.tls(name+".key")) {
			continue
		}
		if err := writePair(s.tls(name), wanted.described, wanted.signer); err != nil {
			return err
		}
	}
	return nil
}

// hosts are the names and addresses by which the API server is reached.
func (s *Server) hosts() ([]string, error) {
	services, err := netip.ParsePrefix(s.config.ServiceCIDR)
	if err != nil {
		return nil, fmt.Errorf("service-cidr: %w", err)
	}
	hosts := []string{"127.0.0.1", "localhost", s.config.NodeName, services.Masked().Addr().Next().String(), "kubernetes",
		"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + s.config.ClusterDomain}
	if s.config.NodeIP != "" {
		hosts = append(hosts, s.config.NodeIP)
	}
	return hosts, nil
}

func (s *Server) ensureServiceKey() error {
	if exist(s.tls("service.key")) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	content, err := keyPEM(key)
	if err != nil {
		return err
	}
	return write(s.tls("service.key"), content)
}

// ensureToken takes the token from the configuration, or else keeps the one of an earlier start, or else makes one. It
// notes it where an administrator looks for it.
func (s *Server) ensureToken() error {
	file := s.config.ServerFolder("token")
	_, password := splitToken(s.config.Token)
	if password == "" {
		content, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		_, password = splitToken(strings.TrimSpace(string(content)))
	}
	if password == "" {
		password = rand.Text()
	}
	s.Token = tokenMark + fingerprint(s.serverCA.pem) + "::server:" + password
	if err := write(file, []byte(s.Token+"\n")); err != nil {
		return err
	}
	if err := os.Symlink("token", s.config.ServerFolder("node-token")); !os.IsExist(err) {
		return err
	}
	return nil
}

// splitToken gives the fingerprint that a whole token names, and the password in it; a short token is the password alone.
func splitToken(token string) (fingerprint, password string) {
	head, credentials, isWhole := strings.Cut(token, "::")
	if !isWhole || !strings.HasPrefix(head, tokenMark) {
		return "", token
	}
	_, password, _ = strings.Cut(credentials, ":")
	return strings.TrimPrefix(head, tokenMark), password
}

func fingerprint(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

func (s *Server) writeKubeconfigs(admin string) error {
	var failures []error
	for _, name := range []string{"admin", "controller", "scheduler"} {
		file := s.config.ServerFolder("cred", name+".kubeconfig")
		pair := s.tls("client-" + name)
		failures = append(failures, writeKubeconfig(file, s.config.Server, s.tls("server-ca.crt"), pair, false))
	}
	embedded := writeKubeconfig(admin, s.config.Server, s.tls("server-ca.crt"), s.tls("client-admin"), true)
	return errors.Join(append(failures, embedded)...)
}

// writeKubeconfig writes a kubeconfig that names its certificates, pair.crt and pair.key among them, or embeds them.
func writeKubeconfig(path, server, authority, pair string, embed bool) error {
	config := api.NewConfig()
	config.Clusters["default"] = &api.Cluster{Server: server, CertificateAuthority: authority}
	config.AuthInfos["default"] = &api.AuthInfo{ClientCertificate: pair + ".crt", ClientKey: pair + ".key"}
	config.Contexts["default"] = &api.Context{Cluster: "default", AuthInfo: "default"}
	config.CurrentContext = "default"
	if embed {
		if err := api.FlattenConfig(config); err != nil {
			return err
		}
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return write(path, content)
}
