package launcher

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/lease"
)

// TestPatience: a driver that is down for hours is waited for, in pauses that
// stay short, and the log says so once a minute.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		start, last, longest := time.Now(), time.Now(), time.Duration(0)
		err := patience{logger: slog.New(slog.NewTextHandler(&log, nil))}.call(t.Context(), func(context.Context) error {
			longest, last = max(longest, time.Since(last)), time.Now()
			if time.Since(start) < 3*time.Hour {
				return noDriver
			}
			return nil
		})
		if err != nil || longest > largestPause {
			t.Errorf("%v; the longest pause was %s, want at most %s", err, longest, largestPause)
		}
		if n := strings.Count(log.String(), "\n"); n < 170 || n > 180 {
			t.Errorf("%d lines in the log of three hours, want one a minute", n)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	told := errors.New("told to end")
	tests := map[string]struct {
		answer error
		enough func() error
		want   error
	}{
		"refused":     {answer: refused(driverclient.ErrStale), want: driverclient.ErrStale},
		"lease lost":  {answer: noDriver, enough: func() error { return lease.ErrLost }, want: lease.ErrLost},
		"told to end": {answer: noDriver, want: told},
		"still held":  {answer: noDriver, enough: func() error { return nil }, want: told},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Hour, func() { cancel(told) })
				err := patience{logger: slog.New(slog.DiscardHandler), enough: tt.enough}.call(ctx, func(context.Context) error { return tt.answer })
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				cancel(nil)
			})
		})
	}
}

// TestLost: which refusals end a lease, and which only the stream.
func TestLost(t *testing.T) {
	for class, want := range map[error]bool{
		driverclient.ErrStale: true, driverclient.ErrUnknown: true, driverclient.ErrUnavailable: false, driverclient.ErrDenied: false,
	} {
		if got := errors.Is(lost(refused(class)), lease.ErrLost); got != want {
			t.Errorf("%v: lost %t, want %t", class, got, want)
		}
	}
}
