package scheduletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// Script runs a scenario. A command stands at the beginning of a line; the
// trace it is expected to leave follows it, indented. Run returns the script
// with the trace that was really left, so that a test compares two texts and
// a reviewer reads the difference.
//
//	flow foreach [max_workers=2] [train.user=1] [train.catch=3] [train.delay=60] [max_splits=10]
//	policy [ttl=30] [start_timeout=60] [infra=2] [spares=2] [gang_deadline=600]     seconds; before open
//	open [parameters JSON] [resume=RUN[/STEP]]          at SECONDS (the clock)       tick
//	join ID pool/worker[#index][@uid]                            left ID    gone ID
//	ask ID [prefer=3-7]      start ID      renew ID [used=MiB limit=MiB]     release ID [child_gone]
//	ok ID [splits=N] [adopted] [cloned] [next=a,b] [gang=N]    fail ID class reason... [adopted] [attempt=N] [oom]
//	gate pool [ID#index]    verify    cancel reason    finish STATE message
//	restart (recover from the encoded records)    state    tasks
//
// ID is an incarnation; the script remembers its lease and attempt, also
// after they are lost, so a stale call is simply made again.
type Script struct {
	policy schedule.Policy
	def    *flowdef.Definition
	run    *schedule.Run
	log    [][]byte
	now    schedule.Millis
	leases map[string]schedule.Grant
	tries  map[string]int
}

// NewScript returns an empty scenario.
func NewScript() *Script {
	p := schedule.Default()
	// Not 0: that means "never" in a snapshot.
	return &Script{policy: p, now: 1000, leases: map[string]schedule.Grant{}, tries: map[string]int{}}
}

// Run executes the text and returns it with its real trace.
func (s *Script) Run(text string) (string, error) {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "  "):
			continue // trace of an earlier run
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
			continue
		}
		trace, err := s.command(strings.Fields(line))
		if err != nil {
			return "", fmt.Errorf("line %d: %s: %w", i+1, line, err)
		}
		out.WriteString(line + "\n")
		for _, t := range trace {
			out.WriteString("  " + t + "\n")
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n", nil
}

func (s *Script) command(words []string) ([]string, error) {
	verb, args := words[0], words[1:]
	switch verb {
	case "flow":
		return nil, s.flow(args)
	case "policy":
		return nil, s.setPolicy(args)
	case "at":
		seconds, err := strconv.ParseFloat(args[0], 64)
		s.now = schedule.Millis(seconds * 1000)
		return nil, err
	case "restart":
		return s.restart()
	case "state":
		s.run.SetNow(s.now)
		return s.state(), nil
	case "tasks":
		return s.tasks(), nil
	}
	ev, err := s.event(verb, args)
	if err != nil {
		return nil, err
	}
	return s.step(ev, args)
}

func (s *Script) step(ev schedule.Event, args []string) ([]string, error) {
	answer, records, err := s.run.Step(s.now, ev)
	var trace []string
	if err != nil {
		if !errors.Is(err, schedule.ErrStale) && !errors.Is(err, schedule.ErrUnknown) && !errors.Is(err, schedule.ErrConflict) && !errors.Is(err, schedule.ErrInvalid) {
			return nil, err
		}
		trace = append(trace, "! "+err.Error())
	}
	for _, rec := range records {
		data, err := schedule.EncodeRecord(rec)
		if err != nil {
			return nil, err
		}
		s.log = append(s.log, data)
		trace = append(trace, "+ "+describeRecord(rec))
	}
	switch a := answer.(type) {
	case schedule.Grant:
		s.leases[args[0]] = a
		delete(s.tries, args[0])
	case schedule.StartAnswer:
		s.tries[args[0]] = a.Attempt
	case nil, schedule.Done, schedule.Ended, schedule.JoinAnswer, schedule.Leave, schedule.GiveWay, schedule.Wait, schedule.Drained,
		schedule.ReportAnswer, schedule.RenewAnswer, schedule.VerifyAnswer:
	}
	if answer != nil {
		if _, done := answer.(schedule.Done); !done {
			trace = append(trace, "= "+describeAnswer(answer))
		}
	}
	return trace, s.run.Check()
}

func (s *Script) flow(args []string) error {
	d, ok := Flows()[args[0]]
	if !ok {
		return fmt.Errorf("no flow %q", args[0])
	}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return err
		}
		step, field, ofStep := strings.Cut(key, ".")
		if !ofStep {
			switch key {
			case "max_workers":
				d.MaxWorkers = int(n)
			case "max_splits":
				d.MaxSplits = n
			default:
				return fmt.Errorf("flow has no %q", key)
			}
			continue
		}
		def, ok := d.Step(step)
		if !ok {
			return fmt.Errorf("no step %q", step)
		}
		switch field {
		case "user":
			def.Retry.UserRetries = int(n)
		case "catch":
			def.Retry.ErrorRetries = int(n)
		case "delay":
			def.Retry.DelaySeconds = n
		default:
			return fmt.Errorf("a step has no %q", field)
		}
	}
	s.def = d
	s.run = schedule.NewRun(s.policy)
	return d.Validate()
}

func (s *Script) setPolicy(args []string) error {
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		switch key {
		case "ttl":
			s.policy.TTL = schedule.Millis(n) * 1000
		case "start_timeout":
			s.policy.StartTimeout = schedule.Millis(n) * 1000
		case "infra":
			s.policy.InfrastructureRetries = n
		case "gang_deadline":
			s.policy.GangDeadline = schedule.Millis(n) * 1000
		case "spares":
			s.policy.Spares = n
		default:
			return fmt.Errorf("no policy %q", key)
		}
	}
	if s.def != nil {
		s.run = schedule.NewRun(s.policy)
	}
	return nil
}

func (s *Script) restart() ([]string, error) {
	again, err := Replay(s.policy, s.log)
	if err != nil {
		return nil, err
	}
	if again.Fingerprint() != s.run.Fingerprint() {
		return nil, fmt.Errorf("recovered state differs\n--- before\n%s--- after\n%s", s.run.Dump(), again.Dump())
	}
	s.run = again
	return s.step(schedule.Restarted{}, nil)
}

func (s *Script) state() []string {
	snap := s.run.Snapshot()
	out := []string{strings.TrimSpace(fmt.Sprintf("run %s %s", snap.Run.State, snap.Run.Reason+snap.Run.Missing))}
	for _, p := range snap.Pools {
		line := fmt.Sprintf("pool %s tasks=%d waiting=%d running=%d succeeded=%d failed=%d workers=%d/%d",
			p.Pool, p.Tasks, p.Waiting, p.Running, p.Succeeded, p.Failed, p.WorkersJoined, p.WorkersExpected)
		if p.Drained {
			line += " drained"
		}
		if p.WaitingSince > 0 {
			line += fmt.Sprintf(" waiting-since=%s", clock(p.WaitingSince))
		}
		out = append(out, line)
	}
	return out
}

func (s *Script) tasks() []string {
	var out []string
	for t := range s.run.Tasks() {
		line := fmt.Sprintf("%s/%s %s", t.Task.Step, t.Task.Task, t.State)
		if t.Cloned {
			line += ", cloned"
		}
		if t.ContinuedAs != "" {
			line += ", goes on as " + t.ContinuedAs
		}
		for _, a := range t.Attempts {
			line += fmt.Sprintf(" [%d %s by %s", a.Attempt, a.Outcome, a.Worker)
			if a.Adopted {
				line += " adopted"
			}
			if a.Failure != nil {
				line += fmt.Sprintf(" %s: %s", a.Failure.Class, a.Failure.Reason)
				if a.Failure.OutOfMemory {
					line += ", out of memory"
				}
			}
			line += "]"
		}
		out = append(out, line)
	}
	return out
}

// Replay recovers a run from its encoded records.
func Replay(p schedule.Policy, log [][]byte) (*schedule.Run, error) {
	r := schedule.NewRun(p)
	for i, data := range log {
		rec, err := schedule.DecodeRecord(data)
		if err == nil {
			err = r.Apply(rec)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
	}
	return r, nil
}

func describeRecord(rec schedule.Record) string {
	if open, ok := rec.(schedule.RunOpenedRecord); ok {
		open.Definition = nil
		rec = open
	}
	return rec.Kind() + " " + compact(rec)
}

func describeAnswer(a schedule.Answer) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", a), "schedule.")
	return name + " " + compact(a)
}

// compact is the value as JSON, without what is zero.
func compact(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return string(data)
	}
	prune(m)
	delete(m, "at")
	data, err = json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func prune(m map[string]any) {
	for k, v := range m {
		switch v := v.(type) {
		case nil:
			delete(m, k)
		case string:
			if v == "" {
				delete(m, k)
			}
		case bool:
			if !v {
				delete(m, k)
			}
		case map[string]any:
			prune(v)
			if len(v) == 0 {
				delete(m, k)
			}
		}
	}
}

func clock(m schedule.Millis) string { return fmt.Sprintf("%d.%03ds", m/1000, m%1000) }
