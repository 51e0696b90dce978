// Package clusterkeys creates the keys, certificates and kubeconfigs of a cluster where K3s has them, and gives the nodes
// that join it theirs.
package clusterkeys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	lifetime = 10 * 365 * 24 * time.Hour
	// Certificates begin early, because the clock that all machines of a lab share may be set back later.
	backdate = time.Hour
)

// authority is a certificate authority that signs leaf certificates only.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	key         *ecdsa.PrivateKey
}

// loadAuthority reads the authority from path.crt and path.key, and creates it first where one of them is missing.
func loadAuthority(path, name string) (authority, error) {
	if !exist(path+".crt", path+".key") {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, time.Now().Unix())},
			KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
			MaxPathLenZero:        true,
		}
		if err := writePair(path, template, nil); err != nil {
			return authority{}, err
		}
	}
	pair, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		return authority{}, fmt.Errorf("%s.crt: %w", path, err)
	}
	key, isCurve := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !isCurve {
		return authority{}, fmt.Errorf("%s.key is no key of an elliptic curve", path)
	}
	content, err := os.ReadFile(path + ".crt")
	return authority{pair.Leaf, content, key}, err
}

// client describes a certificate by which a client proves that it is this user of these groups.
func client(user string, groups ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// serving describes a certificate of a server that is reached by these names and addresses.
func serving(name string, hosts []string) *x509.Certificate {
	described := client(name)
	described.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			described.IPAddresses = append(described.IPAddresses, address)
		} else {
			described.DNSNames = append(described.DNSNames, host)
		}
	}
	return described
}

// sign completes and signs a certificate with a new key; without a signer it signs itself. Both results are PEM.
func sign(described *x509.Certificate, signer *authority) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if described.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	described.NotBefore, described.NotAfter = now.Add(-backdate), now.Add(lifetime)
	parent, signing := described, private
	if signer != nil {
		parent, signing = signer.certificate, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, described, parent, &private.PublicKey, signing)
	if err != nil {
		return nil, nil, err
	}
	key, err = keyPEM(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, err
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// writePair signs the described certificate and writes it to path.crt, and before that its key to path.key.
func writePair(path string, described *x509.Certificate, signer *authority) error {
	certificate, key, err := sign(described, signer)
	if err != nil {
		return err
	}
	return errors.Join(write(path+".key", key), write(path+".crt", certificate))
}

// write puts a secret file in its place as a whole, so that a kill leaves the former one or the new one.
func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	beside := path + ".new"
	if err := os.WriteFile(beside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, path)
}

func exist(paths ...string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}
