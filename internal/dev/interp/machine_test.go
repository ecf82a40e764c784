package interp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// play drives a machine without processes.
type play struct {
	*machine

	t   *testing.T
	now time.Time
}

func newPlay(t *testing.T, document []byte, change func(*rules)) *play {
	t.Helper()
	p, err := Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	m := &machine{p: p, r: &Record{ID: "run", Created: start, Args: Values{"must": []byte(`"given"`)}, Nodes: map[string]*Node{}}, rules: rules{
		maxBackoff: time.Hour, newUID: func() string { n++; return fmt.Sprint("uid", n) },
	}}
	if change != nil {
		change(&m.rules)
	}
	m.advance(start)
	return &play{machine: m, t: t, now: start}
}

// end lets a pod start, run for a second and end.
func (p *play) end(place string, e ending) {
	p.t.Helper()
	n := p.r.Nodes[place]
	if n == nil || n.State != Pending {
		p.t.Fatalf("%s is not Pending:\n%s", place, p.story())
	}
	n.State, n.Started = Running, p.now
	if n.FirstStart.IsZero() {
		n.FirstStart = p.now
	}
	p.now = p.now.Add(time.Second)
	p.ended(n, e, p.now)
}

// story is each node that has begun and its state.
func (p *play) story() string {
	var out []string
	for _, n := range p.sorted() {
		if n.State != Waiting {
			out = append(out, n.Path+" "+string(n.State))
		}
	}
	return strings.Join(out, ", ")
}

func (p *play) want(story string) {
	p.t.Helper()
	if got := p.story(); got != story {
		p.t.Errorf("story:\n%s\nwant:\n%s", got, story)
	}
}

var (
	well = ending{}
	bad  = ending{code: 1}
	lost = ending{vanished: true}
)

func list(items string) ending { return ending{outputs: Values{"list": []byte(items)}} }

func foreach(t *testing.T, retries int) []byte {
	return pipeline(t, "true",
		step{name: "start", script: "true", output: "LIST"},
		step{name: "work", script: "true", over: "start", after: []string{"start"}, retries: retries, limit: 2},
		step{name: "gate", script: "true", after: []string{"start"}},
		step{name: "end", script: "true", after: []string{"gate"}},
	)
}

func TestMachine(t *testing.T) {
	for _, test := range []struct {
		name  string
		play  func(p *play)
		story string
		rules func(*rules)
	}{
		{"verify waits for the hook", func(p *play) {
			p.end("flow/start", list("[]"))
			p.end("flow/gate", well)
			p.end("flow/end", well)
		}, ". Running, finally Pending, flow Succeeded, flow/end Succeeded, flow/gate Succeeded, flow/start Succeeded, flow/work Skipped", nil},
		{"no more at once than the limit", func(p *play) {
			p.end("flow/start", list("[7,8,9]"))
			p.end("flow/work/1", well)
		}, ". Running, flow Running, flow/gate Pending, flow/start Succeeded, flow/work Running, flow/work/0 Pending, flow/work/1 Succeeded, flow/work/2 Pending", nil},
		{"a gate lets the next go on beside its pool", func(p *play) {
			p.end("flow/start", list("[7]"))
			p.end("flow/gate", well)
			p.end("flow/end", well)
		}, ". Running, flow Running, flow/end Succeeded, flow/gate Succeeded, flow/start Succeeded, flow/work Running, flow/work/0 Pending", nil},
		{"a failed pool fails the flow", func(p *play) {
			p.end("flow/start", list("[7]"))
			p.end("flow/gate", well)
			p.end("flow/end", well)
			p.end("flow/work/0", bad)
			p.end("finally", bad)
		}, ". Failed, finally Failed, flow Failed, flow/end Succeeded, flow/gate Succeeded, flow/start Succeeded, flow/work Failed, flow/work/0 Failed, verify Omitted", nil},
		{"vanished for good is an error", func(p *play) {
			p.end("flow/start", list("[7]"))
			p.end("flow/work/0", lost)
		}, ". Running, flow Running, flow/gate Pending, flow/start Succeeded, flow/work Error, flow/work/0 Error", func(r *rules) { r.vanishError = true }},
		{"vanished is made anew", func(p *play) { p.end("flow/start", lost) }, ". Running, flow Running, flow/start Pending", nil},
		{
			"a list that is none", func(p *play) { p.end("flow/start", list("{}")) },
			". Running, flow Running, flow/gate Pending, flow/start Succeeded, flow/work Failed", nil,
		},
		{"terminated while it waits", func(p *play) {
			if err := p.terminate(p.now); err != nil {
				p.t.Error(err)
			}
		}, ". Failed, finally Omitted, flow Failed, flow/end Omitted, flow/gate Omitted, flow/start Failed, flow/work Omitted, verify Omitted", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, foreach(t, 0), test.rules)
			test.play(p)
			p.want(test.story)
		})
	}
}

func TestMachineRetry(t *testing.T) {
	p := newPlay(t, foreach(t, 1), nil)
	p.end("flow/start", list("[7,8]"))
	p.end("flow/work/0", well)
	p.end("flow/work/1", bad)
	if n := p.r.Nodes["flow/work/1"]; n.Retry != 1 || n.UID == "" || n.NotBefore.Sub(p.now) != time.Second {
		t.Errorf("restarted as %+v at %v", n, p.now)
	}
	p.end("flow/work/1", bad)
	p.end("flow/gate", bad)
	p.end("finally", well)
	p.want(". Failed, finally Succeeded, flow Failed, flow/end Omitted, flow/gate Failed, flow/start Succeeded, flow/work Failed, flow/work/0 Succeeded, flow/work/1 Failed, verify Omitted")

	if err := p.retry(p.now); err != nil {
		t.Fatal(err)
	}
	p.want(". Running, finally Succeeded, flow Running, flow/gate Pending, flow/start Succeeded, flow/work Running, flow/work/0 Succeeded, flow/work/1 Pending")
	if n := p.r.Nodes["flow/work/1"]; n.Retry != 0 || string(n.Inputs["worker"]) != "8" {
		t.Errorf("made anew as %+v", n)
	}
	if err := p.retry(p.now); err == nil {
		t.Error("retried while it runs")
	}
	p.end("flow/work/1", well)
	p.end("flow/gate", well)
	p.end("flow/end", well)
	p.end("verify", well)
	p.want(". Succeeded, finally Succeeded, flow Succeeded, flow/end Succeeded, flow/gate Succeeded, flow/start Succeeded, flow/work Succeeded, flow/work/0 Succeeded, flow/work/1 Succeeded, verify Succeeded")
	if err := p.terminate(p.now); err == nil {
		t.Error("terminated after its end")
	}
}

// Argo takes a missing backoffMaxDuration as 0 and restarts nothing.
func TestNoRestartWithoutMaximum(t *testing.T) {
	document := strings.ReplaceAll(string(foreach(t, 3)), `"backoffMaxDuration":"3600s",`, "")
	p := newPlay(t, []byte(document), nil)
	p.end("flow/start", list("[7]"))
	p.end("flow/work/0", bad)
	if n := p.r.Nodes["flow/work/0"]; n.State != Failed || !strings.Contains(n.Message, "max duration") {
		t.Errorf("%s: %s", n.State, n.Message)
	}
}

func TestQueueOrder(t *testing.T) {
	p := newPlay(t, foreach(t, 0), nil)
	p.end("flow/start", list("[7,8]"))
	var pending []*Node
	for _, n := range p.r.Nodes {
		if n.State == Pending {
			pending = append(pending, n)
		}
	}
	slices.SortFunc(pending, func(a, b *Node) int { return int(a.Seq - b.Seq) })
	var order []string
	for _, n := range pending {
		order = append(order, n.Path)
	}
	if got := strings.Join(order, " "); got != "flow/gate flow/work/0 flow/work/1" {
		t.Errorf("order %s", got)
	}
}
