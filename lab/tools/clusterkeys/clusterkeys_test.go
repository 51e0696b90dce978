package clusterkeys

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"k3s-registry.lab/tools/nodeconfig"
)

func serverConfig(t *testing.T) nodeconfig.Config {
	return nodeconfig.Config{
		DataDir: t.TempDir(), NodeName: "control01", NodeIP: "10.77.0.11", ServiceCIDR: "10.43.0.0/16",
		ClusterDomain: "cluster.local", Server: "https://127.0.0.1:6443", Token: "secret",
	}
}

func prepare(t *testing.T, config nodeconfig.Config) *Server {
	t.Helper()
	server, err := Prepare(config, filepath.Join(config.DataDir, "k3s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// contents are the files of a server by path, without the ones that each start may write anew with the same content.
func contents(t *testing.T, folder string) map[string]string {
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASecondStartKeepsEveryFile(t *testing.T) {
	config := serverConfig(t)
	prepare(t, config)
	before := contents(t, config.DataDir)
	prepare(t, config)
	for path, content := range contents(t, config.DataDir) {
		if before[path] != content {
			t.Errorf("%s has changed", path)
		}
	}
}

func TestACertificateThatIsMissingIsReplaced(t *testing.T) {
	config := serverConfig(t)
	server := prepare(t, config)
	if err := os.Remove(server.tls("client-admin.crt")); err != nil {
		t.Fatal(err)
	}
	prepare(t, config)
	if _, err := tls.LoadX509KeyPair(server.tls("client-admin.crt"), server.tls("client-admin.key")); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreReadableByTheirOwnerOnly(t *testing.T) {
	config := serverConfig(t)
	server := prepare(t, config)
	for _, path := range []string{server.tls("server-ca.key"), server.tls("service.key"), config.ServerFolder("token"),
		filepath.Join(config.DataDir, "k3s.yaml")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestTheAPIServerIsTrustedByEachOfItsNames(t *testing.T) {
	server := prepare(t, serverConfig(t))
	pair, err := tls.LoadX509KeyPair(server.tls("serving-kube-apiserver.crt"), server.tls("serving-kube-apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.serverCA.certificate)
	for _, name := range []string{"127.0.0.1", "10.77.0.11", "10.43.0.1", "control01", "kubernetes.default.svc.cluster.local"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheAdministratorsKubeconfigNeedsNoOtherFile(t *testing.T) {
	config := serverConfig(t)
	prepare(t, config)
	loaded, err := clientcmd.BuildConfigFromFlags("", filepath.Join(config.DataDir, "k3s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(loaded.CertData, loaded.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	if subject := pair.Leaf.Subject.String(); subject != "CN=system:admin,O=system:masters" {
		t.Errorf("it is for %s", subject)
	}
}

func TestAServerWithoutATokenMakesOneAndKeepsIt(t *testing.T) {
	config := serverConfig(t)
	config.Token = ""
	first := prepare(t, config)
	if _, password := splitToken(first.Token); password == "" {
		t.Errorf("the token is %q", first.Token)
	}
	if second := prepare(t, config); second.Token != first.Token {
		t.Errorf("got %q after %q", second.Token, first.Token)
	}
}

func TestAServersTokenIsFoundUnderTheNameForNodes(t *testing.T) {
	config := serverConfig(t)
	server := prepare(t, config)
	if got := read(t, config.ServerFolder("node-token")); got != server.Token+"\n" {
		t.Errorf("got %q", got)
	}
}

// joining starts the server's handler and joins it with this token.
func joining(t *testing.T, token func(*Server) string) (nodeconfig.Config, error) {
	server := prepare(t, serverConfig(t))
	pair, err := tls.LoadX509KeyPair(server.tls("serving-kube-apiserver.crt"), server.tls("serving-kube-apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewUnstartedServer(server.handler())
	listening.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	listening.StartTLS()
	t.Cleanup(listening.Close)
	agent := nodeconfig.Config{DataDir: t.TempDir(), NodeName: "cube01", Server: "https://10.77.0.11:6443", Token: token(server)}
	return agent, join(context.Background(), agent, listening.URL)
}

func TestANodeJoinsByTheShortTokenAndByTheWholeOne(t *testing.T) {
	for _, token := range []func(*Server) string{
		func(*Server) string { return "secret" },
		func(server *Server) string { return server.Token },
	} {
		agent, err := joining(t, token)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := clientcmd.BuildConfigFromFlags("", agent.Agent("kubelet.kubeconfig"))
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(loaded.CertFile, loaded.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		if subject := pair.Leaf.Subject.String(); subject != "CN=system:node:cube01,O=system:nodes" {
			t.Errorf("the kubelet is %s", subject)
		}
		if loaded.Host != "https://10.77.0.11:6443" {
			t.Errorf("the kubelet asks %s", loaded.Host)
		}
	}
}

func TestANodeWithAnotherPasswordGetsNothing(t *testing.T) {
	agent, err := joining(t, func(*Server) string { return "wrong" })
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized: the token is not this cluster's") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(agent.DataDir); len(left) > 0 {
		t.Errorf("it has %v", left)
	}
}

func TestANodeRefusesAServerThatItsTokenDoesNotName(t *testing.T) {
	_, err := joining(t, func(*Server) string { return "K10" + strings.Repeat("0", 64) + "::server:secret" })
	if err == nil || !strings.Contains(err.Error(), "use the token of this cluster") {
		t.Errorf("got %v", err)
	}
}

func TestANameThatNoNodeCanHaveIsRefused(t *testing.T) {
	server := prepare(t, serverConfig(t))
	request := httptest.NewRequest("GET", prefix+"client-kubelet.crt", nil)
	request.SetBasicAuth(joinUser, "secret")
	request.Header.Set(nodeHeader, "cube01,O=system:masters")
	answer := httptest.NewRecorder()
	server.handler().ServeHTTP(answer, request)
	if answer.Code != 400 {
		t.Errorf("got %d: %s", answer.Code, answer.Body)
	}
}
