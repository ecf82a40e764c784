package scheduletest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/schedule"
)

// event reads one command of a script.
func (s *Script) event(verb string, args []string) (schedule.Event, error) {
	switch verb {
	case "open":
		if len(args) == 0 {
			return schedule.RunOpened{RunID: "kfp-1", Definition: s.def, DefinitionSHA256: "d1"}, nil
		}
		ev := schedule.RunOpened{RunID: "kfp-1", Definition: s.def, DefinitionSHA256: "d1"}
		if origin, ok := strings.CutPrefix(args[len(args)-1], "resume="); ok {
			run, step, _ := strings.Cut(origin, "/")
			ev.Resume = &schedule.Resume{OriginRun: run, Step: step}
			args = args[:len(args)-1]
		}
		if parameters := strings.Join(args, " "); parameters != "" {
			ev.Parameters = &parameters
		}
		return ev, nil
	case "tick":
		return schedule.Tick{}, nil
	case "verify":
		return schedule.VerifyAsked{}, nil
	case "cancel":
		return schedule.Cancelled{Reason: strings.Join(args, " ")}, nil
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("%s needs an argument", verb)
	}
	id, rest := args[0], args[1:]
	switch verb {
	case "join":
		ev, err := joinEvent(id, rest)
		if step, ok := s.def.Step(ev.Pool); ok && step.Parallel {
			ev.Address = id + ":7000"
		}
		return ev, err
	case "left":
		return schedule.Left{Incarnation: id}, nil
	case "gone":
		return schedule.WorkerGone{Incarnation: id}, nil
	case "gate":
		ev := schedule.GateAsked{Pool: id}
		if len(rest) > 0 {
			pod, index, _ := strings.Cut(rest[0], "#")
			ev.Incarnation = pod
			ev.RetryIndex, _ = strconv.Atoi(index)
		}
		return ev, nil
	case "finish":
		return schedule.Finished{KFPState: id, Message: strings.Join(rest, " ")}, nil
	case "ask":
		ev := schedule.LeaseAsked{Incarnation: id}
		if len(rest) > 0 {
			ev.Prefer, _ = strings.CutPrefix(rest[0], "prefer=")
		}
		return ev, nil
	}
	return s.leaseEvent(verb, id, rest)
}

func joinEvent(id string, rest []string) (schedule.Joined, error) {
	if len(rest) != 1 {
		return schedule.Joined{}, fmt.Errorf("join ID pool/worker[#index][@uid]")
	}
	ev := schedule.Joined{Incarnation: id}
	place, uid, _ := strings.Cut(rest[0], "@")
	place, index, _ := strings.Cut(place, "#")
	pool, worker, _ := strings.Cut(place, "/")
	ev.Pool, ev.PodUID = pool, uid
	var err error
	if worker != "" {
		ev.Worker, err = strconv.Atoi(worker)
	}
	if index != "" && err == nil {
		ev.RetryIndex, err = strconv.Atoi(index)
	}
	return ev, err
}

// leaseEvent is an event of the lease that the incarnation was last granted.
func (s *Script) leaseEvent(verb, id string, rest []string) (schedule.Event, error) {
	lease := s.leases[id]
	switch verb {
	case "start":
		return schedule.AttemptStarted{Incarnation: id, Task: lease.Task, Token: lease.Token}, nil
	case "renew":
		ev := schedule.Renewed{Incarnation: id, Task: lease.Task, Token: lease.Token}
		for _, word := range rest {
			key, value, _ := strings.Cut(word, "=")
			mebi, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil:
				return nil, err
			case key == "used":
				ev.UsedBytes = mebi << 20
			case key == "limit":
				ev.LimitBytes = mebi << 20
			}
		}
		return ev, nil
	case "release":
		gone := len(rest) > 0 && rest[0] == "child_gone"
		return schedule.Released{Incarnation: id, Task: lease.Task, Token: lease.Token, ChildGone: gone, Reason: "told to"}, nil
	case "ok", "fail":
	default:
		return nil, fmt.Errorf("no command %q", verb)
	}
	ev := schedule.Reported{Incarnation: id, Task: lease.Task, Token: lease.Token, Attempt: s.tries[id]}
	if verb == "ok" {
		ev.Succeeded = &schedule.Transition{}
		if def, ok := s.def.Step(lease.Task.Step); ok {
			ev.Succeeded.Next = def.Next
		}
	} else {
		if len(rest) == 0 {
			return nil, fmt.Errorf("fail ID class reason")
		}
		ev.Failed = &schedule.Failure{Class: schedule.Class(rest[0])}
		rest = rest[1:]
	}
	var reason []string
	for _, word := range rest {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case word == "adopted":
			ev.Adopted = true
			if lease.AdoptAttempt != nil {
				ev.Attempt = *lease.AdoptAttempt
			}
		case word == "cloned":
			ev.Cloned = true
		case word == "oom" && ev.Failed != nil:
			ev.Failed.OutOfMemory = true
		case key == "attempt" && err == nil:
			ev.Attempt = int(n)
		case key == "splits" && err == nil && ev.Succeeded != nil:
			ev.Succeeded.NumSplits = n
		case key == "gang" && err == nil && ev.Succeeded != nil:
			ev.Succeeded.GangSize = n
		case key == "next" && ev.Succeeded != nil:
			ev.Succeeded.Next = strings.Split(value, ",")
		default:
			reason = append(reason, word)
		}
	}
	if ev.Failed != nil {
		ev.Failed.Reason = strings.Join(reason, " ")
	}
	return ev, nil
}
