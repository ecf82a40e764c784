// Package scheduletest exercises the core: small flows, scenario scripts with
// their whole trace, and a simulator of a cluster that loses messages,
// workers and drivers.
package scheduletest

import (
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// Flow builds a valid definition from lines "name type next,next"; a name
// that starts with ">" takes inputs. The first step is the start, the last
// the end.
func Flow(lines ...string) *flowdef.Definition {
	d := &flowdef.Definition{
		Schema: flowdef.Schema, Flow: "TestFlow", Pipeline: "testflow", Script: "flow.py",
		CodePackage: flowdef.CodePackage{
			URL: "/root/TestFlow/data/da/da39", SHA1: strings.Repeat("a", 40), SHA256: strings.Repeat("b", 64), Size: 1, Metadata: "{}",
		},
		Datastore:  flowdef.Datastore{Type: "local", Root: "/root"},
		Parameters: []flowdef.Parameter{},
		Owner:      "tester", Python: "/usr/bin/python", MetaflowVersion: "2.19", MaxWorkers: 4, MaxSplits: 100_000,
	}
	for _, line := range lines {
		words := strings.Fields(line)
		s := flowdef.Step{Name: strings.TrimPrefix(words[0], ">"), Type: flowdef.StepType(words[1]), Executable: "python"}
		s.Join = words[0] != s.Name
		if len(words) > 2 {
			s.Next = strings.Split(words[2], ",")
		}
		if s.Type == flowdef.SplitForeach {
			s.ForeachVar = "items"
		}
		d.Steps = append(d.Steps, s)
	}
	d.StartStep, d.EndStep = d.Steps[0].Name, d.Steps[len(d.Steps)-1].Name
	return d
}

// Flows are the shapes that the tests run, by name.
func Flows() map[string]*flowdef.Definition {
	return map[string]*flowdef.Definition{
		"single":  Flow("only end"),
		"linear":  Flow("start start middle", "middle linear end", "end end"),
		"foreach": Flow("start split-foreach train", "train linear join", ">join join end", "end end"),
		"chain":   Flow("start split-foreach load", "load linear train", "train linear join", ">join join end", "end end"),
		"nested": Flow("start split-foreach outer", "outer split-foreach inner", "inner linear ijoin", ">ijoin join ojoin",
			">ojoin join end", "end end"),
		"static": Flow("start split-static a,b", "a linear join", "b linear join", ">join join end", "end end"),
		"mixed": Flow("start split-foreach body", "body split-static a,b", "a linear sjoin", "b split-foreach leaf", "leaf linear bjoin",
			">bjoin join sjoin", ">sjoin join fjoin", ">fjoin join end", "end end"),
	}
}
