package powercut

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errLine: strace wrote something that is not understood.
var errLine = errors.New("line of the trace is not understood")

// call is one system call of a trace.
type call struct {
	pid  int
	name string
	text string // arguments, as strace wrote them
	args []string
	// ret is what it returned, negative for an error; done: it returned.
	ret  int64
	done bool
	// error is what strace wrote behind a failed result; injected: strace
	// made it fail.
	error    string
	injected bool
}

// step is the beginning or the end of a call.
type step struct {
	c   *call
	end bool
}

// maxLine bounds one line: a write of some megabytes in hex.
const maxLine = 256 << 20

// readSteps reads the output of strace -f -xx into the order in which calls
// began and ended.
func readSteps(r io.Reader) ([]step, error) {
	var steps []step
	open := map[int]*call{}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<20), maxLine)
	for n := 1; in.Scan(); n++ {
		more, err := readLine(in.Text(), open)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		steps = append(steps, more...)
	}
	for _, c := range open {
		c.split() // the process died in it
	}
	return steps, in.Err()
}

func readLine(line string, open map[int]*call) ([]step, error) {
	id, rest, ok := strings.Cut(line, " ")
	pid, err := strconv.Atoi(id)
	if !ok || err != nil {
		return nil, fmt.Errorf("%w: %.80s", errLine, line)
	}
	rest = strings.TrimLeft(rest, " ")
	if strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "+++") {
		return nil, nil // signals and exits
	}
	if _, tail, ok := strings.Cut(rest, " resumed>"); ok && strings.HasPrefix(rest, "<... ") {
		c := open[pid]
		if c == nil {
			return nil, fmt.Errorf("%w: nothing to resume: %.80s", errLine, line)
		}
		delete(open, pid)
		c.text += tail
		return []step{{c, true}}, c.finish()
	}
	name, text, ok := strings.Cut(rest, "(")
	if !ok {
		return nil, fmt.Errorf("%w: %.80s", errLine, line)
	}
	c := &call{pid: pid, name: name, text: text}
	if head, cut := strings.CutSuffix(text, " <unfinished ...>"); cut {
		c.text = head
		open[pid] = c
		return []step{{c, false}}, nil
	}
	return []step{{c, false}, {c, true}}, c.finish()
}

// finish takes the result off the end of the text.
func (c *call) finish() error {
	at := strings.LastIndex(c.text, " = ")
	if at < 0 {
		return fmt.Errorf("%w: no result: %s(%.80s", errLine, c.name, c.text)
	}
	result, why, _ := strings.Cut(c.text[at+3:], " ")
	c.error, c.injected = why, strings.HasSuffix(why, "(INJECTED)")
	result, _, _ = strings.Cut(result, "<")
	c.text = strings.TrimSuffix(strings.TrimRight(c.text[:at], " "), ")")
	c.split()
	if result == "?" {
		return nil // it never came back
	}
	n, err := strconv.ParseInt(result, 0, 64)
	if err != nil {
		return fmt.Errorf("%w: result of %s: %q", errLine, c.name, result)
	}
	c.ret, c.done = n, true
	return nil
}

// split cuts the arguments apart; strings hold no commas, they are in hex.
func (c *call) split() {
	depth, from, quoted := 0, 0, false
	for i := range len(c.text) {
		switch b := c.text[i]; {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[' || b == '(':
			depth++
		case b == '}' || b == ']' || b == ')':
			depth--
		case b == ',' && depth == 0:
			c.args = append(c.args, strings.TrimSpace(c.text[from:i]))
			from = i + 1
		}
	}
	c.args = append(c.args, strings.TrimSpace(c.text[from:]))
	c.text = ""
}

func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// fd is the number of a file descriptor, -1 if the argument is none.
func (c *call) fd(i int) int {
	n, _, _ := strings.Cut(c.arg(i), "<")
	v, err := strconv.Atoi(n)
	if err != nil {
		return -1
	}
	return v
}

// label is what strace says that a descriptor is: a path, or socket:[n].
func label(s string) string {
	_, l, _ := strings.Cut(s, "<")
	l, _, _ = strings.Cut(l, ">")
	return string(unhex(l))
}

func (c *call) number(i int) (int64, error) {
	n, err := strconv.ParseInt(c.arg(i), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: argument %d of %s: %q", errLine, i, c.name, c.arg(i))
	}
	return n, nil
}

// bytes are the strings of an argument, one after the other: a buffer, a path,
// or what an array of buffers holds.
func (c *call) bytes(i int) []byte {
	var out []byte
	for j, part := range strings.Split(c.arg(i), `"`) {
		if j%2 == 1 {
			out = append(out, unhex(part)...)
		}
	}
	return out
}

// unhex undoes \x escapes; other characters stand for themselves.
func unhex(s string) []byte {
	out := make([]byte, 0, len(s)/4+1)
	var b [1]byte
	for i := 0; i < len(s); {
		if i+4 <= len(s) && s[i] == '\\' && s[i+1] == 'x' {
			if _, err := hex.Decode(b[:], []byte(s[i+2:i+4])); err == nil {
				out = append(out, b[0])
				i += 4
				continue
			}
		}
		out = append(out, s[i])
		i++
	}
	return out
}
