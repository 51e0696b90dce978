// Package supervision runs the processes of a node as one: they start one by one, log under their names and end together.
package supervision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a child may take to end after SIGTERM. All but one end at once; the API server would wait for its
// watchers, while the whole of K3s, one process, does not.
const stopGrace = 2 * time.Second

// Group runs the node's processes. The first that ends, for whatever reason, ends the group.
type Group struct {
	// Context ends with the group; its cause says which process ended, and how.
	Context context.Context
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	children []*child
}

type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// New makes a group that also ends when ctx does.
func New(ctx context.Context) *Group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{Context: ctx, cancel: cancel}
}

// Start runs a component of this very program, or another program when path is given. Its output goes to ours, line by
// line, with its name in front.
func (g *Group) Start(name, path string, args ...string) error {
	if path == "" {
		path = "/proc/self/exe"
	}
	cmd := &exec.Cmd{Path: path, Args: append([]string{name}, args...), Env: os.Environ()}
	// A killed supervisor must not leave a second containerd or etcd behind for its successor to fight with.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout = newLineWriter(name, os.Stdout)
	cmd.Stderr = newLineWriter(name, os.Stderr)
	// Grandchildren that live on (shims) may hold the pipe.
	cmd.WaitDelay = 2 * time.Second
	c := &child{name: name, cmd: cmd, done: make(chan struct{})}

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Context.Err() != nil {
		return context.Cause(g.Context)
	}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends: keep it as long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		close(c.done)
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		if err == nil {
			err = errors.New("ended")
		}
		g.cancel(fmt.Errorf("%s: %w", name, err))
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	g.children = append(g.children, c)
	return nil
}

// Stop ends all children, the youngest first, so that nothing loses what it depends on before it has ended itself.
func (g *Group) Stop() {
	g.cancel(context.Canceled)
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.children) - 1; i >= 0; i-- {
		c := g.children[i]
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(stopGrace):
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
}

// Await polls until ready answers true, the group ends, or the context does.
func (g *Group) Await(what string, interval time.Duration, ready func(context.Context) bool) error {
	began := time.Now()
	for {
		if ready(g.Context) {
			Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return nil
		}
		select {
		case <-g.Context.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(g.Context))
		case <-time.After(interval):
		}
	}
}
