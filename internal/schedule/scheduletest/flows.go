// Package scheduletest exercises the core: small flows, scenario scripts with
// their whole trace, and a simulator of a cluster that loses messages,
// workers and drivers.
package scheduletest

import (
	"fmt"
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
		switch s.Type {
		case flowdef.SplitForeach:
			s.ForeachVar = "items"
		case flowdef.SplitSwitch:
			s.Condition, s.SwitchCases = "way", map[string]string{}
			for i, next := range s.Next {
				s.SwitchCases[fmt.Sprintf("%d", i)] = next
			}
		case flowdef.Start, flowdef.Linear, flowdef.Join, flowdef.End, flowdef.SplitStatic, flowdef.SplitParallel:
		}
		d.Steps = append(d.Steps, s)
	}
	for _, split := range d.Steps {
		if split.Type != flowdef.SplitParallel {
			continue
		}
		if members, ok := d.Step(split.Next[0]); ok {
			members.Parallel = true
		}
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
		"gang":   Flow("start split-parallel train", "train linear join", ">join join end", "end end"),
		"gangs": Flow("start split-foreach body", "body split-parallel train", "train linear gjoin", ">gjoin join fjoin",
			">fjoin join end", "end end"),
		"gangbranch": Flow("start split-static a,b", "a split-parallel train", "train linear gjoin", ">gjoin join sjoin",
			"b linear sjoin", ">sjoin join end", "end end"),
		"mixed": Flow("start split-foreach body", "body split-static a,b", "a linear sjoin", "b split-foreach leaf", "leaf linear bjoin",
			">bjoin join sjoin", ">sjoin join fjoin", ">fjoin join end", "end end"),

		"switch": Flow("start split-switch a,b,end", "a linear meet", "b linear c", "c linear meet", "meet linear end", "end end"),
		"shared": Flow("start split-static p,q", "p split-switch l,r", "l split-switch x,y", "r split-switch x,z", "x linear m", "y linear m",
			"z linear m", "m linear join", "q linear join", ">join join end", "end end"),
		"branch": Flow("start split-switch f,s,end", "f split-foreach w", "w linear fjoin", ">fjoin join end",
			"s split-static u,v", "u linear sjoin", "v split-foreach x", "x linear vjoin", ">vjoin join sjoin", ">sjoin join end", "end end"),
		"leaves": Flow("start split-foreach s", "s split-switch a,b", "a linear join", "b split-switch c,d", "c linear join", "d linear join",
			">join join end", "end end"),
		"loop": Flow("start linear one", "one split-switch one,two", "two split-switch two,a,b", "a linear end", "b linear end", "end end"),
		"loops": Flow("start split-static p,q", "p split-foreach loop", "loop split-switch loop,after", "after linear pjoin", ">pjoin join join",
			"q split-switch r,s", "r linear again", "s linear again", "again split-switch again,t", "t linear join", ">join join end", "end end"),
		"deep": Flow("start split-foreach outer", "outer split-switch skip,inner", "skip linear ojoin", "inner split-foreach body",
			"body split-switch body,x,y", "x linear ijoin", "y split-switch y,ijoin2", "ijoin2 linear ijoin", ">ijoin join ojoin",
			">ojoin join end", "end end"),
	}
}
