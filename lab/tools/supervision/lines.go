package supervision

import (
	"bytes"
	"fmt"
	"os"
)

// longestLine is where an endless line is broken, in bytes.
const longestLine = 64 * 1024

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
			if len(w.rest) < longestLine {
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

// Logf writes one line of the supervisor's own to the journal.
func Logf(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "k3s: "+format+"\n", values...)
}
