package launcher

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/driverclient"
)

// The exit codes, and what KFP makes of them:
//
//	0    drained, sent away, or the run is over by another worker's doing
//	1    this worker recorded the run's final failure, now or before its restart;
//	     a gate or verify of a run that failed; a gang that could not form, or
//	     trouble of the launcher's own, after which KFP starts the pod again
//	143  SIGTERM or SIGINT: the pod is being deleted
const (
	exitDone     = 0
	exitFailed   = 1
	exitSignaled = 143
)

var (
	// errRunFailed: this worker, gate or verify shows the run's failure to KFP.
	errRunFailed = errors.New("the run has failed")
	// errGiveWay: this worker makes room for others.
	errGiveWay = errors.New("the gang did not form")
	// errSignaled: the pod is being deleted.
	errSignaled = errors.New("ended by a signal")
)

func runFailed(reason string) error { return fmt.Errorf("%w: %s", errRunFailed, reason) }

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSignaled):
		return exitSignaled
	default:
		return exitFailed
	}
}

// hint says what to try about a refusal of the driver's.
func hint(err error) error {
	switch {
	case errors.Is(err, driverclient.ErrDenied):
		return fmt.Errorf("%w: check MILLRACE_TOKEN (or MILLRACE_TOKEN_FILE) of this pod against the driver's", err)
	case errors.Is(err, driverclient.ErrTooOld):
		return fmt.Errorf("%w: deploy the flow again, so that its pods use a newer launcher", err)
	case errors.Is(err, driverclient.ErrConflict):
		return fmt.Errorf("%w: is another driver, or another deployment, using this run's id?", err)
	case errors.Is(err, driverclient.ErrStale):
		return fmt.Errorf("%w: KFP has replaced this pod", err)
	}
	return err
}
