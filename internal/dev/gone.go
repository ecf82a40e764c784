package dev

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/driverclient"
)

// runPrefix makes a KFP run's uuid Metaflow's run id.
const runPrefix = "kfp-"

// goneFunc tells the driver that a pod's processes have all ended. A nil one
// tells nobody.
type goneFunc func(ctx context.Context, runID, podUID string) error

// The driver need not wait out the leases of a pod that is gone, but if it
// cannot be told it waits: no reason to try for ever.
const (
	gonePatience = time.Minute
	gonePause    = 500 * time.Millisecond
)

func (g goneFunc) patient(log *slog.Logger) func(context.Context, string, string) {
	if g == nil {
		return nil
	}
	return func(ctx context.Context, kfpRun, podUID string) {
		ctx, cancel := context.WithTimeout(ctx, gonePatience)
		defer cancel()
		for {
			err := g(ctx, runPrefix+kfpRun, podUID)
			if err == nil {
				return
			}
			select {
			case <-ctx.Done():
				log.Warn("the driver was not told of a pod's end; it waits for the leases to expire", "pod", podUID, "error", err)
				return
			case <-time.After(gonePause):
			}
		}
	}
}

// external tells a driver that runs elsewhere; nil when there is none.
func (s *stack) external() goneFunc {
	if s.cfg.Driver == "" {
		return nil
	}
	s.record.Driver, s.record.DriverHTTP = s.cfg.Driver, s.cfg.DriverHTTP
	client, err := driverclient.Dial(driverclient.Config{Address: s.cfg.Driver, Token: s.home.Token, Program: buildinfo.String("driver")})
	if err != nil {
		s.log.Warn("the driver will not be told of pods' ends", "error", err)
		return nil
	}
	s.ends = append(s.ends, client.Close)
	return client.ReportPodGone
}
