package supervision

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAGroupEndsWithItsFirstChild(t *testing.T) {
	children := New(context.Background())
	defer children.Stop()
	if err := children.Start("steady", "/bin/sleep", "60"); err != nil {
		t.Fatal(err)
	}
	if err := children.Start("brief", "/bin/sh", "-c", "exit 3"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-children.Context.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("still running")
	}
	if cause := context.Cause(children.Context); cause.Error() != "brief: exit status 3" {
		t.Errorf("cause is %v", cause)
	}
}

func TestStopEndsChildrenYoungestFirst(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	children := New(context.Background())
	for _, name := range []string{"older", "younger"} {
		ready := filepath.Join(t.TempDir(), name)
		script := `trap 'echo ` + name + ` >>` + record + `; exit 0' TERM; : >` + ready + `; while :; do sleep 0.05; done`
		if err := children.Start(name, "/bin/sh", "-c", script); err != nil {
			t.Fatal(err)
		}
		exists := func(context.Context) bool { _, err := os.Stat(ready); return err == nil }
		if err := children.Await(name, 10*time.Millisecond, exists); err != nil {
			t.Fatal(err)
		}
	}
	children.Stop()
	order, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if string(order) != "younger\nolder\n" {
		t.Errorf("order was %q", order)
	}
}

func TestNothingStartsInAStoppedGroup(t *testing.T) {
	children := New(context.Background())
	children.Stop()
	if err := children.Start("late", "/bin/true"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOutputLinesCarryTheComponentsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	writer := newLineWriter("kubelet", out)
	for _, chunk := range []string{"one\ntw", "o\n", "unfinished"} {
		if _, err := writer.Write([]byte(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(content) != "kubelet: one\nkubelet: two\n" {
		t.Errorf("got %q", content)
	}
}

func TestAnEndlessLineIsBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	writer := newLineWriter("etcd", out)
	if _, err := writer.Write([]byte(strings.Repeat("x", 100_000))); err != nil {
		t.Fatal(err)
	}
	if info, err := out.Stat(); err != nil || info.Size() < 100_000 {
		t.Errorf("only %v bytes came through (%v)", info.Size(), err)
	}
}
