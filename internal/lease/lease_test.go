package lease

import (
	"testing"
	"time"
)

func TestTrustWindow(t *testing.T) {
	sent := time.Unix(1_000_000, 0)
	tests := []struct {
		name              string
		terms             Terms
		trusted, orphaned time.Duration
	}{
		{"defaults", Terms{TTL: 30 * time.Second, OrphanGrace: 10 * time.Minute}, 29 * time.Second, 10 * time.Minute},
		{"short lease", Terms{TTL: time.Second, OrphanGrace: time.Minute}, 900 * time.Millisecond, time.Minute},
		{"no grace: the child ends with the lease", Terms{TTL: 10 * time.Second}, 9 * time.Second, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.terms.TrustedUntil(sent).Sub(sent); got != tt.trusted {
				t.Errorf("TrustedUntil: %s after the renewal was sent, want %s", got, tt.trusted)
			}
			if got := tt.terms.OrphanedAt(sent).Sub(sent); got != tt.orphaned {
				t.Errorf("OrphanedAt: %s after the renewal was sent, want %s", got, tt.orphaned)
			}
		})
	}
}
