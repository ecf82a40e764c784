package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/kfp"
)

// resume names the run whose results a new run takes over; from is empty for
// a run that starts from nothing.
type resume struct {
	from runID
	step string
}

func (r *resume) declare(flags *pflag.FlagSet) {
	flags.StringVar((*string)(&r.from), "resume-from", "", "the run whose results are taken over, with its parameters: kfp-<uuid>")
	flags.StringVar(&r.step, "resume-step", "", "run this step and what follows it anew, even where the run before succeeded")
}

// check says what is wrong with the flags, before anyone is asked.
func (r *resume) check(given values) error {
	switch {
	case r.from == "" && r.step != "":
		return errors.New("--resume-step needs --resume-from: the run whose results are taken over")
	case r.from == "":
		return nil
	case given != nil:
		return errors.New("--parameters cannot be given with --resume-from: a resumed run has the parameters of the run it resumes")
	}
	if _, err := r.from.uuid(); err != nil {
		return fmt.Errorf("--resume-from: %q is not kfp-<uuid>", string(r.from))
	}
	return nil
}

// inputs are the root inputs of a resumed run. Its parameters are artifacts
// of the run before, so that the texts say no values of their own.
func (r *resume) inputs(pipeline string, declared map[string]kfp.Input) (map[string]json.RawMessage, error) {
	if _, ours := declared[executorinput.ResumeInput]; !ours {
		return nil, fmt.Errorf("pipeline %q has no input %s: it was deployed by an older release; deploy the flow again", pipeline, executorinput.ResumeInput)
	}
	origin, _ := r.from.uuid() // checked
	out := map[string]json.RawMessage{
		executorinput.ResumeInput: quote(executorinput.Resume{OriginRun: runPrefix + origin, Step: r.step}.String()),
	}
	for name := range declared {
		if !strings.HasPrefix(name, "millrace_") {
			out[name] = quote(executorinput.DefaultMark)
		}
	}
	return out, nil
}
