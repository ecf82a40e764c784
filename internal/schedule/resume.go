package schedule

import (
	"fmt"

	"github.com/millrace/millrace/internal/flowdef"
)

// A run that resumes another takes over what had succeeded there: a task gets
// the origin run with its grant, and the lessee looks for a task of the same
// step and id that succeeded. If there is none it runs the task, and with it
// all that follows from it: only a task whose every input was taken over may
// be taken over itself. Ids are places in the graph, so they mean the same in
// both runs.

// String is for people and for comparing.
func (m *Resume) String() string {
	switch {
	case m == nil:
		return "none"
	case m.Step == "":
		return fmt.Sprintf("of run %q", m.OriginRun)
	default:
		return fmt.Sprintf("of run %q from step %q", m.OriginRun, m.Step)
	}
}

// checkResume checks what a run is to go on from.
func checkResume(ev RunOpened, d *flowdef.Definition) error {
	m := ev.Resume
	if m == nil {
		return nil
	}
	_, known := d.Step(m.Step)
	switch {
	case ev.Parameters == nil:
		return fmt.Errorf("%w: resume: comes with the parameters, and there are none", ErrInvalid)
	case !printable(m.OriginRun, 255):
		return fmt.Errorf("%w: resume.origin_run: must be one short line", ErrInvalid)
	case m.OriginRun == ev.RunID:
		return fmt.Errorf("%w: resume.origin_run: %q is this very run", ErrInvalid, m.OriginRun)
	case m.Step != "" && !known:
		return fmt.Errorf("%w: resume.step: the flow has no step %q", ErrInvalid, clip(m.Step))
	}
	return nil
}

// cloneFrom is the run from which the task may be taken over, empty for none.
func (r *Run) cloneFrom(t ref) string {
	if r.resume == nil || t.node().name == r.resume.Step {
		return ""
	}
	for from := range r.before(t) {
		if !from.cloned() {
			return ""
		}
	}
	return r.resume.OriginRun
}

// cloned tells whether the task was taken over.
func (t ref) cloned() bool { return t.i < int64(len(t.g.cloned)) && t.g.cloned[t.i] }
