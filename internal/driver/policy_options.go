package driver

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/setting"
)

// policyOptions are the numbers of leases and budgets.
type policyOptions struct {
	ttl, renewEvery, orphanGrace, longestWrite, clientBackoff time.Duration
	infrastructureDelay, startTimeout, gangDeadline           time.Duration
	infrastructureRetries, spares                             int
}

func (o *policyOptions) declare(flags *pflag.FlagSet) {
	p := schedule.Default()
	span := func(to *time.Duration, name, variable string, value schedule.Millis, usage string) {
		flags.DurationVar(to, name, time.Duration(value)*time.Millisecond, usage)
		setting.Env(flags, name, variable)
	}
	span(&o.ttl, "lease-ttl", "MILLRACE_LEASE_TTL", p.TTL, "how long a lease is good for after a renewal")
	span(&o.renewEvery, "renew-every", "MILLRACE_RENEW_EVERY", p.RenewEvery, "how often launchers renew their leases")
	span(&o.orphanGrace, "orphan-grace", "MILLRACE_ORPHAN_GRACE", p.OrphanGrace, "how long a task may run on while its launcher cannot reach the driver")
	span(&o.longestWrite, "longest-write", "MILLRACE_LONGEST_WRITE", p.LongestWrite, "bound of a single write to the store; a lost task waits this long after its lease")
	span(&o.clientBackoff, "client-backoff", "MILLRACE_CLIENT_BACKOFF", p.ClientBackoff, "the launchers' longest pause between tries; after a start leases get this much longer")
	flags.IntVar(&o.infrastructureRetries, "infrastructure-retries", p.InfrastructureRetries, "attempts of a task that infrastructure may use up")
	setting.Env(flags, "infrastructure-retries", "MILLRACE_INFRASTRUCTURE_RETRIES")
	span(&o.infrastructureDelay, "infrastructure-delay", "MILLRACE_INFRASTRUCTURE_DELAY", p.InfrastructureDelay, "pause before such an attempt is made up for")
	flags.IntVar(&o.spares, "spares", p.Spares, "idle workers of a pool that are kept while its tasks run")
	setting.Env(flags, "spares", "MILLRACE_SPARES")
	span(&o.startTimeout, "start-timeout", "MILLRACE_START_TIMEOUT", p.StartTimeout, "fail a run when a pool with work has had no worker for this long (0: never)")
	span(&o.gangDeadline, "gang-deadline", "MILLRACE_GANG_DEADLINE", p.GangDeadline, "how long a worker waits for the others of its gang before it makes room for others (0: for ever)")
}

// policy checks the numbers against each other.
func (o *policyOptions) policy() (schedule.Policy, error) {
	for _, span := range []struct {
		flag  string
		value time.Duration
		least time.Duration
	}{
		{"--lease-ttl", o.ttl, time.Second},
		{"--renew-every", o.renewEvery, 100 * time.Millisecond},
		{"--orphan-grace", o.orphanGrace, 0},
		{"--longest-write", o.longestWrite, time.Second},
		{"--client-backoff", o.clientBackoff, 0},
		{"--infrastructure-delay", o.infrastructureDelay, 0},
		{"--start-timeout", o.startTimeout, 0},
		{"--gang-deadline", o.gangDeadline, 0},
	} {
		if span.value < span.least || span.value > 365*24*time.Hour {
			return schedule.Policy{}, fmt.Errorf("%s %s is not between %s and a year", span.flag, span.value, span.least)
		}
	}
	switch {
	case o.renewEvery > o.ttl/2:
		return schedule.Policy{}, fmt.Errorf("--renew-every %s is more than half of --lease-ttl %s: one lost renewal would cost the lease", o.renewEvery, o.ttl)
	case o.infrastructureRetries < 0:
		return schedule.Policy{}, errors.New("--infrastructure-retries is negative")
	case o.spares < 0:
		return schedule.Policy{}, errors.New("--spares is negative")
	}
	millis := func(d time.Duration) schedule.Millis { return schedule.Millis(d.Milliseconds()) }
	return schedule.Policy{
		TTL: millis(o.ttl), RenewEvery: millis(o.renewEvery), OrphanGrace: millis(o.orphanGrace),
		LongestWrite: millis(o.longestWrite), ClientBackoff: millis(o.clientBackoff),
		InfrastructureRetries: o.infrastructureRetries, InfrastructureDelay: millis(o.infrastructureDelay),
		Spares: o.spares, StartTimeout: millis(o.startTimeout), GangDeadline: millis(o.gangDeadline),
	}, nil
}
