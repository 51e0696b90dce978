package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	layers       = 3
	smallest     = 100_000
	chunk        = 1 << 20
	attempts     = 8
	requestLimit = 60 * time.Second
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	configType   = "application/vnd.oci.image.config.v1+json"
)

// pause between two attempts; a test shortens it.
var pause = 500 * time.Millisecond

var errMismatch = errors.New("its content has another digest")

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type image struct{ repository, digest string }

// images are those that the registry has accepted.
type images struct {
	mutex sync.Mutex
	all   []image
}

func (i *images) add(one image) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.all = append(i.all, one)
}

func (i *images) any() (image, bool) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if len(i.all) == 0 {
		return image{}, false
	}
	return i.all[mathrand.IntN(len(i.all))], true
}

type client struct {
	settings
	http       *http.Client
	http2      bool
	repository string
	tally      *tally
}

func newClient(s settings, index int, t *tally) (*client, error) {
	pem, err := os.ReadFile(s.authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate", s.authority)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		// The registry's name is known on the nodes, not here.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, s.address)
		},
		Protocols: new(http.Protocols),
	}
	http2 := index%2 == 0
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	return &client{
		settings: s, http: &http.Client{Transport: transport, Timeout: requestLimit}, http2: http2, tally: t,
		repository: fmt.Sprintf("%s/client%d", s.repository, index),
	}, nil
}

// work pushes and pulls in turn. An operation that has begun is finished.
func (c *client) work(ctx context.Context, shared *images) {
	for ctx.Err() == nil {
		if made, err := c.repeat(func() (image, error) { return c.push() }); err == nil {
			shared.add(made)
			c.tally.count(func(r *report) { r.Pushed++ })
		}
		c.takeRest(ctx)
		if one, found := shared.any(); found && ctx.Err() == nil {
			c.pull(one)
			c.takeRest(ctx)
		}
	}
}

// takeRest waits for a random time: what was pulled is unpacked, and what is pushed was built before.
func (c *client) takeRest(ctx context.Context) {
	select {
	case <-time.After(time.Duration(mathrand.Float64() * float64(c.rest))):
	case <-ctx.Done():
	}
}

// verify pulls an image unless the program was interrupted.
func (c *client) verify(ctx context.Context, one image) {
	if ctx.Err() == nil {
		c.pull(one)
	}
}

func (c *client) pull(one image) {
	_, err := c.repeat(func() (image, error) { return one, c.read(one) })
	c.tally.count(func(r *report) {
		switch {
		case errors.Is(err, errMismatch):
			r.Mismatched++
		case err != nil:
			r.Lost++
		default:
			r.Pulled++
		}
	})
}

// repeat tries an operation several times. A wrong digest is final.
func (c *client) repeat(operation func() (image, error)) (image, error) {
	for attempt := 1; ; attempt++ {
		done, err := operation()
		if err == nil || attempt == attempts || errors.Is(err, errMismatch) {
			return done, err
		}
		c.tally.count(func(r *report) { r.Repeated++ })
		time.Sleep(pause)
	}
}

func (c *client) push() (image, error) {
	whole := manifest{SchemaVersion: 2, MediaType: manifestType}
	for range layers {
		layer, err := c.upload(layerType, random(c.layerSize()))
		if err != nil {
			return image{}, err
		}
		whole.Layers = append(whole.Layers, layer)
	}
	config, err := c.upload(configType, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	if err != nil {
		return image{}, err
	}
	whole.Config = config
	body, err := json.Marshal(whole)
	if err != nil {
		return image{}, err
	}
	digest := digestOf(body)
	_, err = c.send("PUT", c.path("manifests", digest), body, manifestType, http.StatusCreated)
	return image{c.repository, digest}, err
}

// layerSize draws a size so that each order of magnitude is as frequent as the next, as with the layers of images.
func (c *client) layerSize() int {
	return int(smallest * math.Pow(float64(c.largest)/smallest, mathrand.Float64()))
}

// upload sends a blob in chunks.
func (c *client) upload(mediaType string, content []byte) (descriptor, error) {
	made := descriptor{mediaType, digestOf(content), len(content)}
	place, err := c.send("POST", c.path("blobs", "uploads/"), nil, "", http.StatusAccepted)
	if err != nil {
		return made, err
	}
	for start := 0; start < len(content); start += chunk {
		part := content[start:min(start+chunk, len(content))]
		if place, err = c.send("PATCH", place, part, "application/octet-stream", http.StatusAccepted); err != nil {
			return made, err
		}
	}
	end, err := url.Parse(place)
	if err != nil {
		return made, err
	}
	query := end.Query()
	query.Set("digest", made.Digest)
	end.RawQuery = query.Encode()
	_, err = c.send("PUT", end.String(), nil, "", http.StatusCreated)
	return made, err
}

func (c *client) read(one image) error {
	body, err := c.fetch(fmt.Sprintf("%s/v2/%s/manifests/%s", c.url, one.repository, one.digest), one.digest)
	if err != nil {
		return err
	}
	var whole manifest
	if err := json.Unmarshal(body, &whole); err != nil {
		return err
	}
	for _, blob := range append(whole.Layers, whole.Config) {
		if _, err := c.fetch(fmt.Sprintf("%s/v2/%s/blobs/%s", c.url, one.repository, blob.Digest), blob.Digest); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) path(kind, rest string) string {
	return fmt.Sprintf("%s/v2/%s/%s/%s", c.url, c.repository, kind, rest)
}

// send makes one request with a body, and returns the address at which an upload continues.
func (c *client) send(method, target string, body []byte, mediaType string, want int) (string, error) {
	var place string
	err := c.request(method, target, body, mediaType, want, func(response *http.Response) error {
		_, err := io.Copy(io.Discard, response.Body)
		if location, locationErr := response.Location(); locationErr == nil {
			place = location.String()
		}
		return err
	})
	if err == nil {
		c.tally.count(func(r *report) { r.BytesUp += int64(len(body)) })
	}
	return place, err
}

// fetch reads content and verifies its digest.
func (c *client) fetch(target, digest string) ([]byte, error) {
	var content []byte
	err := c.request("GET", target, nil, "", http.StatusOK, func(response *http.Response) (err error) {
		content, err = io.ReadAll(response.Body)
		return err
	})
	if err == nil && digestOf(content) != digest {
		err = fmt.Errorf("%s: %w", target, errMismatch)
	}
	if err == nil {
		c.tally.count(func(r *report) { r.BytesDown += int64(len(content)) })
	}
	return content, err
}

func (c *client) request(
	method, target string, body []byte, mediaType string, want int, read func(*http.Response) error,
) error {
	start := time.Now()
	err := c.exchange(method, target, body, mediaType, want, read)
	name, _, _ := strings.Cut(strings.TrimPrefix(target, c.url), "?")
	c.tally.request(method+" "+name, c.http2, time.Since(start), err)
	return err
}

func (c *client) exchange(
	method, target string, body []byte, mediaType string, want int, read func(*http.Response) error,
) error {
	request, err := http.NewRequest(method, target, nil)
	if err != nil {
		return err
	}
	if body != nil {
		// Go would send a bytes.Reader again by itself; clients that stream a layer cannot.
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	request.Header.Set("Accept", manifestType)
	if c.user != "" {
		request.SetBasicAuth(c.user, c.password)
	}
	response, err := c.http.Do(request)
	if err != nil {
		// Without the address, equal causes are equal.
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return fmt.Errorf("%s instead of %d: %s", response.Status, want, said)
	}
	return read(response)
}

func random(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.Read(content) // it never fails
	return content
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
