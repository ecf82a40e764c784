package schedule

import (
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
)

// TestNext is the arithmetic of attempts, row by row.
func TestNext(t *testing.T) {
	tests := []struct {
		name                   string
		retries, fallbacks     int
		number, user, infra    int
		parameters             bool
		wantMax                int
		wantGiveUp, wantGoesOn bool
	}{
		{name: "first", wantMax: 0},
		{name: "first with retries", retries: 3, wantMax: 3},
		{name: "no retry", number: 1, user: 1, wantGiveUp: true},
		{name: "last retry", retries: 3, number: 3, user: 3, wantMax: 3},
		{name: "retries used up", retries: 3, number: 4, user: 4, wantGiveUp: true},
		{name: "a loss moves the limit", retries: 1, number: 1, infra: 1, wantMax: 2},
		{name: "infrastructure's last", number: 3, infra: 3, wantMax: 3},
		{name: "infrastructure's budget", number: 4, infra: 4, wantGiveUp: true},
		{name: "Metaflow's last number", retries: 9, number: 5, user: 5, wantMax: 5},
		{name: "numbers used up by the user", retries: 9, number: 6, user: 6, wantGiveUp: true},
		{name: "numbers used up by losses", retries: 5, number: 6, user: 4, infra: 2, wantGoesOn: true},
		{name: "continued", retries: 5, user: 4, infra: 2, wantMax: 1},
		{name: "continued, failed for good", retries: 4, number: 1, user: 5, infra: 2, wantGiveUp: true},
		{name: "continued, infrastructure's budget", retries: 5, number: 2, user: 4, infra: 4, wantGiveUp: true},

		{name: "catch: fallback", fallbacks: 3, number: 1, user: 1, wantMax: 0},
		{name: "catch: fallback after a loss", fallbacks: 3, number: 2, user: 1, infra: 1, wantMax: 1},
		{name: "catch: fallback lost", fallbacks: 3, number: 3, user: 1, infra: 2, wantMax: 2},
		{name: "catch: fallback fails for good", fallbacks: 3, number: 4, user: 4, wantGiveUp: true},
		{name: "catch: retries are cut to keep the last", retries: 9, fallbacks: 3, number: 4, user: 4, wantMax: 4},
		{name: "catch: the last is the fallback", retries: 9, fallbacks: 3, number: 5, user: 5, wantMax: 4},
		{name: "catch: no number for another fallback", retries: 9, fallbacks: 3, number: 6, user: 6, wantGiveUp: true},
		{name: "catch: not the last try, though the last number for it", retries: 3, fallbacks: 3, number: 4, user: 1, infra: 3, wantMax: 6},
		{name: "catch: the last is not user code's", retries: 3, fallbacks: 3, number: 5, user: 2, infra: 3, wantGoesOn: true},
		{name: "catch: continued", retries: 3, fallbacks: 3, user: 2, infra: 3, wantMax: 1},
		{name: "catch: fallback after losses", retries: 1, fallbacks: 3, number: 5, user: 2, infra: 3, wantMax: 4},
		{name: "catch: fallback, numbers used up", retries: 2, fallbacks: 3, number: 6, user: 3, infra: 3, wantGoesOn: true},
		{name: "catch: fallback, continued", retries: 2, fallbacks: 3, user: 3, infra: 3, wantMax: -1},

		// A re-opening forgives; the numbers are gone nevertheless.
		{name: "re-opened", retries: 1, number: 2, wantMax: 3},
		{name: "re-opened, retry", retries: 1, number: 3, user: 1, wantMax: 3},
		{name: "re-opened, used up", retries: 1, number: 4, user: 2, wantGiveUp: true},
		{name: "re-opened, last number", number: 5, wantMax: 5},
		{name: "re-opened, no number", number: 6, wantGoesOn: true},
		{name: "re-opened with catch, user code", fallbacks: 3, number: 4, wantMax: 4},
		{name: "re-opened with catch, fallback only", fallbacks: 3, number: 5, wantGoesOn: true},

		{name: "parameters", parameters: true, number: 2, infra: 2, wantMax: 0},
		{name: "parameters fail", parameters: true, number: 1, user: 1, wantGiveUp: true},
		{name: "parameters re-opened", parameters: true, number: 9, wantMax: 0},
	}
	policy := Default()
	policy.InfrastructureRetries = 3
	r := NewRun(policy)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := &node{retry: flowdef.Retry{UserRetries: tt.retries, ErrorRetries: tt.fallbacks}, parameters: tt.parameters}
			p := r.next(n, tt.number, tt.user, tt.infra)
			if p.giveUp != tt.wantGiveUp {
				t.Fatalf("giveUp %t (%s), want %t", p.giveUp, p.why, tt.wantGiveUp)
			}
			if p.goesOn != tt.wantGoesOn {
				t.Fatalf("goesOn %t, want %t", p.goesOn, tt.wantGoesOn)
			}
			if p.giveUp || p.goesOn {
				return
			}
			if p.maxUserCodeRetries != tt.wantMax {
				t.Errorf("max_user_code_retries %d, want %d", p.maxUserCodeRetries, tt.wantMax)
			}
			if want := map[bool]int{true: 0, false: tt.number}[tt.parameters]; p.number != want {
				t.Errorf("number %d, want %d", p.number, want)
			}
			// Metaflow runs user code up to the limit and the fallback above
			// it: which of the two must follow from the budget alone.
			fallback := p.number > p.maxUserCodeRetries
			if budget := tt.user > min(tt.retries, maxAttempts-2); tt.fallbacks > 0 && fallback != budget {
				t.Errorf("runs the fallback: %t, by the user's budget: %t", fallback, budget)
			}
		})
	}
}
