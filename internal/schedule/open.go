package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// stepRunOpened makes the run known, or compares: every launcher opens it.
func (r *Run) stepRunOpened(ev RunOpened) (Answer, error) {
	if err := checkParameters(ev.Parameters); err != nil {
		return nil, err
	}
	if r.graph != nil {
		return r.compareOpened(ev)
	}
	switch {
	case !printable(ev.RunID, 255):
		return nil, fmt.Errorf("%w: run_id: must be one short line", ErrInvalid)
	case !printable(ev.DefinitionSHA256, 64):
		return nil, fmt.Errorf("%w: definition_sha256: must be 64 hex digits", ErrInvalid)
	case ev.Definition == nil:
		return nil, fmt.Errorf("%w: run %s: send its definition", ErrUnknown, clip(ev.RunID))
	}
	if err := ev.Definition.Validate(); err != nil {
		return nil, fmt.Errorf("%w: definition: %w", ErrInvalid, err)
	}
	if _, err := compile(ev.Definition); err != nil {
		return nil, fmt.Errorf("%w: definition: %w", ErrInvalid, err)
	}
	if err := checkResume(ev, ev.Definition); err != nil {
		return nil, err
	}
	r.emit(RunOpenedRecord{
		Stamp: r.stamp(), RunID: ev.RunID, DefinitionSHA256: ev.DefinitionSHA256,
		Definition: ev.Definition, Parameters: ev.Parameters, Resume: ev.Resume,
	})
	return Done{}, nil
}

func (r *Run) compareOpened(ev RunOpened) (Answer, error) {
	if err := checkResume(ev, r.definition); err != nil {
		return nil, err
	}
	switch {
	case ev.RunID != r.id:
		return nil, fmt.Errorf("%w: run_id: %q, recorded is %q", ErrConflict, clip(ev.RunID), r.id)
	case ev.DefinitionSHA256 != r.sha256:
		return nil, fmt.Errorf("%w: definition_sha256: %q, recorded is %q", ErrConflict, clip(ev.DefinitionSHA256), r.sha256)
	case ev.Parameters == nil:
	case r.parameters == nil:
		r.emit(ParametersGiven{Stamp: r.stamp(), Parameters: *ev.Parameters, Resume: ev.Resume})
	case !sameJSON(*ev.Parameters, *r.parameters):
		return nil, fmt.Errorf("%w: parameters: not those the run was opened with", ErrConflict)
	case ev.Resume.String() != r.resume.String():
		return nil, fmt.Errorf("%w: resume: %s, recorded is %s", ErrConflict, ev.Resume, r.resume)
	}
	return Done{}, nil
}

func (r *Run) applyRunOpened(rec RunOpenedRecord) error {
	if r.graph != nil {
		return fmt.Errorf("run %s is open already", r.id)
	}
	if rec.Definition == nil {
		return fmt.Errorf("run_opened without a definition")
	}
	g, err := compile(rec.Definition)
	if err != nil {
		return err
	}
	r.id, r.sha256, r.definition, r.parameters, r.resume = rec.RunID, rec.DefinitionSHA256, rec.Definition, rec.Parameters, rec.Resume
	r.graph, r.openedAt, r.state = g, rec.At, RunRunning
	r.steps = make([]stepState, len(g.nodes))
	for _, def := range g.pools {
		r.pools = append(r.pools, newPoolState(def))
	}
	for _, n := range g.nodes {
		if n.hands == handsSwitch {
			r.steps[n.index].routed = make([]int64, len(n.next))
		}
	}
	r.noteDue()
	r.ready(ref{r.group(g.nodes[0], "", 1), 0})
	return nil
}

func checkParameters(p *string) error {
	if p == nil {
		return nil
	}
	text := bytes.TrimSpace([]byte(*p))
	if !utf8.ValidString(*p) || !json.Valid(text) || len(text) == 0 || text[0] != '{' {
		return fmt.Errorf("%w: parameters: not a JSON object", ErrInvalid)
	}
	return nil
}

// sameJSON compares values: two launchers may print the same object
// differently.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(s string) ([]byte, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber() // 1 and 1.0 differ in Python, and 2^63 must survive
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func printable(s string, most int) bool {
	if s == "" || len(s) > most || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
