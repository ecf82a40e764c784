package flowgen

import (
	"encoding/json"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// Definition is the flow as the extension would deploy it.
func (f *Flow) Definition() *flowdef.Definition {
	d := &flowdef.Definition{
		Schema: flowdef.Schema, Flow: f.Name, Pipeline: strings.ToLower(f.Name), Script: "flow.py",
		StartStep: f.Start, EndStep: f.End,
		CodePackage: flowdef.CodePackage{
			URL: "/root/" + f.Name + "/data/aa/" + strings.Repeat("a", 40), SHA1: strings.Repeat("a", 40),
			SHA256: strings.Repeat("b", 64), Size: 1, Metadata: "{}",
		},
		Datastore: flowdef.Datastore{Type: "local", Root: "/root"}, Parameters: []flowdef.Parameter{},
		Owner: "tester", Python: "/usr/bin/python", MetaflowVersion: "2.19", MaxWorkers: 4, MaxSplits: 100_000,
	}
	splits := f.splits()
	for i := range f.Steps {
		d.Steps = append(d.Steps, f.definition(&f.Steps[i], splits))
	}
	return d
}

func (f *Flow) definition(s *Step, splits map[string][]string) flowdef.Step {
	out := flowdef.Step{
		Name: s.Name, Type: f.stepType(s), Join: s.Join, Next: append([]string{}, s.Next...), Parallel: s.Member,
		SplitParents: splits[s.Name], Executable: "python",
		Retry: flowdef.Retry{UserRetries: s.Retries},
	}
	if s.Catch {
		out.Retry.ErrorRetries = 3
	}
	for i := range f.Steps {
		if open := splits[f.Steps[i].Name]; f.Steps[i].Join && s.fans() && open[len(open)-1] == f.twin(s) {
			out.MatchingJoin = f.Steps[i].Name
		}
	}
	switch s.Kind {
	case Foreach:
		out.ForeachVar = itemsOf(s)
	case Switch:
		out.Condition = "way"
		out.SwitchCases = map[string]string{}
		for i, k := range s.Keys {
			out.SwitchCases[jsonKey(k)] = s.Next[i]
		}
	case Linear, Split, Gang:
	}
	return out
}

// jsonKey is a case's Python literal as JSON.
func jsonKey(literal string) string {
	switch literal {
	case "True":
		return "true"
	case "False":
		return "false"
	}
	var v any
	if err := json.Unmarshal([]byte(literal), &v); err != nil {
		return `"` + literal + `"`
	}
	return literal
}

func (f *Flow) stepType(s *Step) flowdef.StepType {
	switch s.Kind {
	case Split:
		return flowdef.SplitStatic
	case Foreach:
		return flowdef.SplitForeach
	case Switch:
		return flowdef.SplitSwitch
	case Gang:
		return flowdef.SplitParallel
	case Linear:
	}
	switch {
	case s.Name == f.End:
		return flowdef.End
	case s.Name == f.Start:
		return flowdef.Start
	case s.Join:
		return flowdef.Join
	}
	return flowdef.Linear
}
