package schedule

import (
	"fmt"
	"slices"
)

// maxAttempts is Metaflow's MAX_ATTEMPTS: it knows attempts 0 to 5 only, its
// own retries notwithstanding.
const maxAttempts = 6

// plan is what may follow the attempts made so far.
type plan struct {
	// number and maxUserCodeRetries are those of the next attempt.
	number             int
	maxUserCodeRetries int
	// goesOn: the numbers are used up, the budget is not: the task goes on
	// under a new id, from attempt 0.
	goesOn bool
	// giveUp: there is no next attempt; why says it, empty for a task whose
	// user never asked for a retry.
	giveUp bool
	why    string
}

// tally counts the attempts that a task is charged with, by whose budget; the
// first ones are forgiven, by a re-opening. The first end for want of memory
// may have been another's fault on the node, all further ones are the task's
// own.
func tally(attempts []attempt, forgiven int) (user, infrastructure int) {
	starved := false
	for i := range attempts {
		a := &attempts[i]
		byUser := false
		switch a.outcome {
		case attemptRunning, attemptSucceeded:
			continue
		case attemptFailed:
			byUser = a.failure.Class != Infrastructure
		case attemptLost, attemptCancelled:
		}
		if a.outcome != attemptCancelled && a.failure.OutOfMemory && a.failure.Class != Final {
			byUser, starved = starved, true
		}
		switch {
		case i < forgiven:
		case byUser:
			user++
		default:
			infrastructure++
		}
	}
	return user, infrastructure
}

// plan says what may follow now.
func (r *Run) plan(t ref) plan {
	if t.g.gang != nil {
		return r.planMember(t)
	}
	n, k := t.node(), t.live()
	attempts := k.attempts
	if last := len(attempts) - 1; last >= 0 && attempts[last].outcome == attemptRunning {
		attempts = attempts[:last]
	}
	user, infrastructure := tally(attempts, k.base)
	return r.next(n, len(attempts)-k.first(), user, infrastructure)
}

// next does the arithmetic of attempts:
//
//	number     the next attempt under the task's id, 0 for `_parameters` always
//	user       failures charged to @retry and @catch, since the run was
//	           re-opened
//	infra      losses and infrastructure failures since then
//
// Metaflow runs user code up to --max-user-code-retries and the fallback of
// @catch after it. That limit is what the user's budget has left from here on,
// so it moves up with every attempt that infrastructure used, or a @catch step
// would fall silently to its fallback; and the last number is kept for the
// fallback. When the budget is used up and the fallback starts under a new id,
// it is -1.
func (r *Run) next(n *node, number, user, infra int) plan {
	lastUser := maxAttempts - 1
	if n.retry.ErrorRetries > 0 {
		lastUser--
	}
	retries := min(n.retry.UserRetries, lastUser) // as many as Metaflow has numbers for
	if n.parameters {
		number = 0
	}
	p := plan{number: number, maxUserCodeRetries: number + retries - user}
	budget := r.policy.InfrastructureRetries
	switch {
	case user >= maxAttempts:
		p.giveUp = true
		p.why = fmt.Sprintf("Metaflow knows attempts 0 to %d only", maxAttempts-1)
	case user > retries+n.retry.ErrorRetries:
		p.giveUp = true
		if retries > 0 {
			p.why = fmt.Sprintf("@retry's %d retries are used up", retries)
		}
	case infra > budget:
		p.giveUp = true
		p.why = fmt.Sprintf("infrastructure took %d attempts, its budget is %d", infra, budget)
	case number >= maxAttempts, number > lastUser && user <= retries:
		p.goesOn = true
	}
	return p
}

// afterFailure decides what follows a failure of the newest attempt.
func (r *Run) afterFailure(t ref, f Failure) (retry bool, notBefore Millis, verdict string) {
	n, k := t.node(), t.live()
	switch f.Class {
	case Final:
		return false, 0, ""
	case CancelledClass:
		if r.over() {
			return false, 0, ""
		}
	case User, Infrastructure:
	}
	if t.g.gang != nil {
		return true, 0, "" // the verdict is on the round
	}
	attempts := slices.Clone(k.attempts)
	last := &attempts[len(attempts)-1]
	last.outcome, last.failure = attemptFailed, &f
	if f.Class == CancelledClass {
		last.outcome = attemptCancelled
	}
	before, _ := tally(attempts[:len(attempts)-1], k.base)
	user, infra := tally(attempts, k.base)
	p := r.next(n, len(attempts)-k.first(), user, infra)
	if p.giveUp {
		return false, 0, p.why
	}
	return true, r.now + r.retryDelay(n, user > before), ""
}

// retryDelay is the pause before a retry: the user's own, or ours.
func (r *Run) retryDelay(n *node, byUser bool) Millis {
	if byUser {
		return Millis(n.retry.DelaySeconds) * 1000
	}
	return r.policy.InfrastructureDelay
}
