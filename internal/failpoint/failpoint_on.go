//go:build failpoints

// Package failpoint, test build.
//
// MILLRACE_FAILPOINTS is a comma list of name=action[@n][*m]: at the n-th hit
// of this process (default 1) and for m hits (default 1) do the action:
//
//	kill        SIGKILL this process
//	error       return an error that names the point
//	stall:2s    sleep
//
// An action may be followed by "?p" instead of @n, a probability in percent,
// drawn from MILLRACE_FAILPOINT_SEED and the pid, or by "^n": at the n-th hit
// of all processes that share the log. MILLRACE_FAILPOINT_LOG
// names a file to which every hit appends "name action pid" ("-" when nothing
// was done), in one write, before the action is carried out.
package failpoint

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Enabled says whether this is a test build.
const Enabled = true

type rule struct {
	action      string
	first, last int
	percent     int
	shared      int
}

type table struct {
	mu    sync.Mutex
	rules map[Name][]rule
	hits  map[Name]int
	rng   *rand.Rand
	log   string
}

var load = sync.OnceValue(func() *table {
	t := &table{rules: map[Name][]rule{}, hits: map[Name]int{}, log: os.Getenv("MILLRACE_FAILPOINT_LOG")}
	h := fnv.New64a()
	fmt.Fprint(h, os.Getenv("MILLRACE_FAILPOINT_SEED"), os.Getpid())
	t.rng = rand.New(rand.NewPCG(h.Sum64(), 1))
	for _, item := range strings.Split(os.Getenv("MILLRACE_FAILPOINTS"), ",") {
		if item == "" {
			continue
		}
		name, r, err := parse(item)
		if err != nil {
			fmt.Fprintln(os.Stderr, "MILLRACE_FAILPOINTS:", err)
			os.Exit(2)
		}
		t.rules[name] = append(t.rules[name], r)
	}
	return t
})

func parse(item string) (Name, rule, error) {
	name, action, ok := strings.Cut(item, "=")
	if !ok {
		return "", rule{}, fmt.Errorf("%q has no action", item)
	}
	r := rule{first: 1, last: 1}
	if before, after, found := strings.Cut(action, "?"); found {
		p, err := strconv.Atoi(after)
		if err != nil {
			return "", rule{}, fmt.Errorf("%q: %w", item, err)
		}
		r.action, r.percent = before, p
		return Name(name), r, nil
	}
	if before, after, found := strings.Cut(action, "^"); found {
		n, err := strconv.Atoi(after)
		if err != nil {
			return "", rule{}, fmt.Errorf("%q: %w", item, err)
		}
		r.action, r.shared = before, n
		return Name(name), r, nil
	}
	if before, after, found := strings.Cut(action, "*"); found {
		n, err := strconv.Atoi(after)
		if err != nil {
			return "", rule{}, fmt.Errorf("%q: %w", item, err)
		}
		action, r.last = before, n
	}
	if before, after, found := strings.Cut(action, "@"); found {
		n, err := strconv.Atoi(after)
		if err != nil {
			return "", rule{}, fmt.Errorf("%q: %w", item, err)
		}
		action, r.first = before, n
	}
	r.last += r.first - 1
	r.action = action
	return Name(name), r, nil
}

// Hit carries out what the test asked for at this place.
func Hit(name Name) error {
	t := load()
	t.mu.Lock()
	t.hits[name]++
	action := t.record(name, func(shared int) string {
		action := "-"
		for _, r := range t.rules[name] {
			if r.holds(t.hits[name], shared, t.rng) {
				action = r.action
			}
		}
		return action
	})
	t.mu.Unlock()
	switch {
	case action == "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case action == "error":
		return fmt.Errorf("failpoint %s", name)
	case strings.HasPrefix(action, "stall:"):
		if d, err := time.ParseDuration(strings.TrimPrefix(action, "stall:")); err == nil {
			time.Sleep(d)
		}
	}
	return nil
}

// holds says whether the rule applies to the hit of that number of this
// process and of that number of all processes.
func (r rule) holds(own, shared int, rng *rand.Rand) bool {
	switch {
	case r.percent > 0:
		return rng.IntN(100) < r.percent
	case r.shared > 0:
		return shared == r.shared
	default:
		return own >= r.first && own <= r.last
	}
}

// record asks what to do at this hit, given its number over all processes, and
// appends it to the log. The file is locked in between, so that two processes
// never hold the same number.
func (t *table) record(name Name, choose func(shared int) string) string {
	if t.log == "" {
		return choose(0)
	}
	f, err := os.OpenFile(t.log, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return choose(0)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return choose(0)
	}
	before, err := io.ReadAll(f)
	if err != nil {
		return choose(0)
	}
	action := choose(bytes.Count(before, []byte(string(name)+" ")) + 1)
	fmt.Fprintf(f, "%s %s %d\n", name, action, os.Getpid())
	return action
}
