// Command load pushes and pulls images with many clients at once, and reports every request that failed and every image
// that a registry accepted and later does not return whole.
//
// Half of the clients use HTTP/2, half HTTP/1.1. Nothing repeats a request whose body has left, as with clients that stream
// layers. A client repeats a failed operation from its beginning, as docker and containerd do.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"
)

type settings struct {
	url, address, authority, repository string
	clients, largest                    int
	duration, rest                      time.Duration
	user, password                      string
}

type failure struct {
	Second  float64 `json:"second"`
	Request string  `json:"request"`
	Cause   string  `json:"cause"`
	HTTP2   bool    `json:"http2"`
}

type report struct {
	Requests   int       `json:"requests"`
	Failed     int       `json:"failed"`
	Repeated   int       `json:"repeated"`
	Pushed     int       `json:"pushed"`
	Pulled     int       `json:"pulled"`
	Lost       int       `json:"lost"`
	Mismatched int       `json:"mismatched"`
	BytesUp    int64     `json:"bytesUp"`
	BytesDown  int64     `json:"bytesDown"`
	Slowest    float64   `json:"slowest"`
	Failures   []failure `json:"failures"`
}

const listedFailures = 1000

// tally counts what all clients do.
type tally struct {
	mutex  sync.Mutex
	start  time.Time
	report report
}

func (t *tally) request(name string, http2 bool, took time.Duration, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.report.Requests++
	t.report.Slowest = max(t.report.Slowest, took.Seconds())
	if err == nil {
		return
	}
	t.report.Failed++
	if len(t.report.Failures) < listedFailures {
		t.report.Failures = append(t.report.Failures, failure{time.Since(t.start).Seconds(), name, err.Error(), http2})
	}
}

func (t *tally) count(change func(*report)) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	change(&t.report)
}

func main() {
	var s settings
	flag.StringVar(&s.url, "url", "", "the registry, such as https://registry.cube.local:5000")
	flag.StringVar(&s.address, "address", "", "address and port to connect to")
	flag.StringVar(&s.authority, "authority", "", "file with the certificate of the registry's authority")
	flag.StringVar(&s.repository, "repository", "load", "prefix of the repositories")
	flag.IntVar(&s.clients, "clients", 50, "how many clients work at once")
	flag.IntVar(&s.largest, "largest", 4<<20, "bytes of the largest layer")
	flag.DurationVar(&s.rest, "rest", 0, "how long a client rests at most between an operation and the next")
	flag.DurationVar(&s.duration, "duration", 2*time.Minute, "how long they work")
	flag.Parse()
	// Arguments are visible to every user of the computer.
	s.user, s.password = os.Getenv("OCI_USERNAME"), os.Getenv("OCI_PASSWORD")
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run lets the clients work until the time is over, then pulls every image that was accepted.
func run(s settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	working, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	t := &tally{start: time.Now()}
	shared := &images{}
	clients := make([]*client, s.clients)
	for i := range clients {
		made, err := newClient(s, i, t)
		if err != nil {
			return err
		}
		clients[i] = made
	}
	fmt.Fprintln(os.Stderr, "working")
	each(clients, func(c *client) { c.work(working, shared) })
	fmt.Fprintln(os.Stderr, "verifying")
	pending := make(chan image, len(shared.all))
	for _, one := range shared.all {
		pending <- one
	}
	close(pending)
	each(clients, func(c *client) {
		for one := range pending {
			c.verify(ctx, one)
		}
	})
	return json.NewEncoder(os.Stdout).Encode(t.report)
}

func each(clients []*client, do func(*client)) {
	var group sync.WaitGroup
	for _, c := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			do(c)
		}()
	}
	group.Wait()
}
