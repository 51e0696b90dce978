package main

import (
	"bufio"
	"bytes"
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

// stopGrace is how long a child may take to end after SIGTERM.
const stopGrace = 10 * time.Second

// group runs the node's processes. The first that ends, for whatever reason, ends the group.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	children []*child
}

type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

func newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{ctx: ctx, cancel: cancel}
}

// start runs a component of this very program, or another program when path is given. Its output goes to ours, line by
// line, with its name in front.
func (g *group) start(name, path string, args ...string) error {
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
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
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

// stop ends all children, the youngest first, so that nothing loses what it depends on before it has ended itself.
func (g *group) stop() {
	g.cancel(context.Canceled)
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.children) - 1; i >= 0; i-- {
		c := g.children[i]
		// The API server waits for open watches; nobody left here needs that.
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(stopGrace):
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
}

// lineWriter prefixes whole lines, so that the journal of the unit tells the components apart.
type lineWriter struct {
	prefix string
	out    *os.File
	rest   []byte
}

func newLineWriter(name string, out *os.File) *lineWriter {
	return &lineWriter{prefix: name + ": ", out: out}
}

func (w *lineWriter) Write(chunk []byte) (int, error) {
	w.rest = append(w.rest, chunk...)
	var lines bytes.Buffer
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			if len(w.rest) < bufio.MaxScanTokenSize {
				break
			}
			end = len(w.rest) - 1
		}
		lines.WriteString(w.prefix)
		lines.Write(bytes.TrimRight(w.rest[:end+1], "\n"))
		lines.WriteByte('\n')
		w.rest = w.rest[end+1:]
	}
	if lines.Len() > 0 {
		// A journal that went away must not take the component with it.
		_, _ = w.out.Write(lines.Bytes())
	}
	return len(chunk), nil
}

// await polls until ready answers true, the group ends, or the context does.
func (g *group) await(what string, interval time.Duration, ready func(context.Context) bool) error {
	began := time.Now()
	for {
		if ready(g.ctx) {
			logf("%s after %.1f s", what, time.Since(began).Seconds())
			return nil
		}
		select {
		case <-g.ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(g.ctx))
		case <-time.After(interval):
		}
	}
}

func logf(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "k3s: "+format+"\n", values...)
}
