package schedule

import "fmt"

// maxAttempts is Metaflow's MAX_ATTEMPTS: it knows attempts 0 to 5 only, its
// own retries notwithstanding.
const maxAttempts = 6

// plan is what may follow the attempts made so far.
type plan struct {
	// number and maxUserCodeRetries are those of the next attempt.
	number             int
	maxUserCodeRetries int
	// giveUp: there is no next attempt; why says it, empty for a task whose
	// user never asked for a retry.
	giveUp bool
	why    string
}

// tally counts the attempts that a task is charged with: by whose budget.
func tally(attempts []attempt) (user, infrastructure int) {
	for i := range attempts {
		switch a := &attempts[i]; a.outcome {
		case attemptFailed:
			if a.failure.Class == Infrastructure {
				infrastructure++
			} else {
				user++
			}
		case attemptLost, attemptCancelled:
			infrastructure++
		case attemptRunning, attemptSucceeded:
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
	user, infrastructure := tally(attempts[min(k.base, len(attempts)):])
	return r.next(n, k.base, len(attempts), user, infrastructure)
}

// next does the arithmetic of attempts:
//
//	base       attempts that a re-opening has forgiven; their numbers are gone
//	number     the next attempt, 0 for `_parameters` always
//	user       failures charged to @retry and @catch since then
//	infra      losses and infrastructure failures since then
//
// Metaflow runs user code up to --max-user-code-retries and the fallback of
// @catch after it. That limit moves up with every attempt that infrastructure
// used, or a @catch step would fall silently to its fallback; and the last
// number is kept for the fallback.
func (r *Run) next(n *node, base, number, user, infra int) plan {
	retries, fallbacks := n.retry.UserRetries, n.retry.ErrorRetries
	if n.parameters {
		number, base = 0, 0
	}
	lastUser := maxAttempts - 1
	if fallbacks > 0 {
		lastUser--
	}
	p := plan{number: number, maxUserCodeRetries: min(base+retries+infra, lastUser)}
	budget := r.policy.InfrastructureRetries
	switch {
	case user > retries+fallbacks:
		p.giveUp = true
		if retries > 0 {
			p.why = fmt.Sprintf("@retry's %d retries are used up", retries)
		}
	case infra > budget:
		p.giveUp = true
		p.why = fmt.Sprintf("infrastructure took %d attempts, its budget is %d", infra, budget)
	case number >= maxAttempts && infra == 0 && base == 0:
		p.giveUp = true
		p.why = fmt.Sprintf("Metaflow knows attempts 0 to %d only", maxAttempts-1)
	case number >= maxAttempts, number > lastUser && user <= min(retries, lastUser-base):
		p.giveUp = true
		p.why = fmt.Sprintf("Metaflow knows attempts 0 to %d only; infrastructure took %d, earlier tries of the run %d, "+
			"and going on under a new task id is not supported yet: trigger a new run", maxAttempts-1, infra, base)
	case base > lastUser:
		p.giveUp = true
		p.why = fmt.Sprintf("attempts 0 to %d are used up by earlier tries of the run and the last is kept for @catch: trigger a new run", lastUser)
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
	user, infra := tally(k.attempts[min(k.base, len(k.attempts)-1) : len(k.attempts)-1])
	delay := r.policy.InfrastructureDelay
	if f.Class == User {
		user++
		delay = Millis(n.retry.DelaySeconds) * 1000
	} else {
		infra++
	}
	p := r.next(n, k.base, len(k.attempts), user, infra)
	if p.giveUp {
		return false, 0, p.why
	}
	return true, r.now + delay, ""
}
