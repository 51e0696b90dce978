package main

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// against returns a client of a server with these answers, and what the client counts.
func against(t *testing.T, answers http.HandlerFunc) (*client, *report) {
	t.Helper()
	pause = time.Millisecond
	server := httptest.NewUnstartedServer(answers)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	counted := &tally{start: time.Now()}
	address := server.Listener.Addr().String()
	made, err := newClient(settings{url: "https://example.com", address: address, authority: authority}, 0, counted)
	if err != nil {
		t.Fatal(err)
	}
	return made, &counted.report
}

// holding answers with the content whose digest the path ends in.
func holding(contents map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, found := contents[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(content))
	}
}

// anImage returns an image of one blob, and the contents of a registry that has it.
func anImage() (image, map[string]string) {
	blob := digestOf([]byte("blob"))
	body, _ := json.Marshal(manifest{Config: descriptor{configType, blob, 4}})
	return image{"load/client0", digestOf(body)}, map[string]string{digestOf(body): string(body), blob: "blob"}
}

func TestAnImageThatIsWholeIsPulled(t *testing.T) {
	one, contents := anImage()
	c, seen := against(t, holding(contents))
	c.pull(one)
	if seen.Pulled != 1 || seen.Requests != 2 || seen.Failed+seen.Lost+seen.Mismatched != 0 {
		t.Errorf("%+v", *seen)
	}
}

func TestAnImageWithoutOneOfItsBlobsIsLostAfterEveryAttempt(t *testing.T) {
	one, contents := anImage()
	delete(contents, digestOf([]byte("blob")))
	c, seen := against(t, holding(contents))
	c.pull(one)
	if seen.Lost != 1 || seen.Failed != attempts || seen.Repeated != attempts-1 {
		t.Errorf("%+v", *seen)
	}
}

func TestABlobWithAnotherContentIsNotRequestedAgain(t *testing.T) {
	one, contents := anImage()
	contents[digestOf([]byte("blob"))] = "bulb"
	c, seen := against(t, holding(contents))
	c.pull(one)
	if seen.Mismatched != 1 || seen.Lost != 0 || seen.Requests != 2 {
		t.Errorf("%+v", *seen)
	}
}

func TestARequestWithABodyIsSentOnce(t *testing.T) {
	sent := 0
	c, seen := against(t, func(w http.ResponseWriter, _ *http.Request) {
		sent++
		panic(http.ErrAbortHandler)
	})
	if _, err := c.send("PATCH", c.path("blobs", "uploads/1"), []byte("part"), "", http.StatusAccepted); err == nil {
		t.Error("an aborted request succeeded")
	}
	if sent != 1 || seen.Failed != 1 {
		t.Errorf("sent %d times, %+v", sent, *seen)
	}
}
