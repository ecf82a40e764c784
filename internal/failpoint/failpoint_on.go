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
// A name may be followed by "?p" instead of @n, a probability in percent,
// drawn from MILLRACE_FAILPOINT_SEED and the pid. MILLRACE_FAILPOINT_LOG
// names a file to which every hit appends "name action pid" ("-" when nothing
// was done), in one write, before the action is carried out.
package failpoint

import (
	"fmt"
	"hash/fnv"
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
	action := "-"
	for _, r := range t.rules[name] {
		if r.percent > 0 && t.rng.IntN(100) < r.percent || r.percent == 0 && t.hits[name] >= r.first && t.hits[name] <= r.last {
			action = r.action
		}
	}
	t.mu.Unlock()
	t.record(name, action)
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

func (t *table) record(name Name, action string) {
	if t.log == "" {
		return
	}
	f, err := os.OpenFile(t.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s %d\n", name, action, os.Getpid())
}
