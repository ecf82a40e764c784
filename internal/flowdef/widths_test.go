package flowdef

import (
	"fmt"
	"strings"
	"testing"
)

// graphOf makes just the graph: "name type next,next", joins with a ">".
func graphOf(lines ...string) *Definition {
	d := &Definition{}
	for _, line := range lines {
		words := strings.Fields(line)
		s := Step{Name: strings.TrimPrefix(words[0], ">"), Type: StepType(words[1])}
		s.Join = s.Name != words[0]
		if len(words) > 2 {
			s.Next = strings.Split(words[2], ",")
		}
		d.Steps = append(d.Steps, s)
	}
	d.StartStep, d.EndStep = d.Steps[0].Name, d.Steps[len(d.Steps)-1].Name
	return d
}

func TestWidths(t *testing.T) {
	tests := []struct {
		name  string
		graph *Definition
		// want is each step with its sources, and a | when it has a gate.
		want string
	}{
		{
			"a switch and its convergence", graphOf("start split-switch a,b", "a linear c", "b linear c", "c linear end", "end end"),
			"start=1 a=start>a b=start>b c=1 end=1",
		},
		{
			"straight to the convergence", graphOf("start split-switch a,end", "a linear end", "end end"),
			"start=1 a=start>a end=1",
		},
		{
			"two cases with one target", graphOf("start split-switch a,a,b", "a linear end", "b linear end", "end end"),
			"start=1 a=start>a b=start>b end=1",
		},
		{
			"a step reached from two switches",
			graphOf("start split-switch a,c", "a split-switch c,d", "c linear e", "d linear e", "e end"),
			"start=1 a=start>a| c=start>c+a>c d=a>d e=1",
		},
		{
			"switches side by side that share a step",
			graphOf("start split-switch l,r", "l split-switch x,y", "r split-switch x,z", "x linear end", "y linear end", "z linear end", "end end"),
			"start=1 l=start>l| r=start>r| x=l>x+r>x y=l>y z=r>z end=1",
		},
		{
			"two foreaches with one body",
			graphOf("start split-switch a,b", "a split-foreach c", "b split-foreach c", "c linear j", ">j join end", "end end"),
			"start=1 a=start>a b=start>b| c=a+b| j=1 end=1",
		},
		{
			"two foreaches with one body, and a third way",
			graphOf("start split-switch a,b,end", "a split-foreach c", "b split-foreach c", "c linear j", ">j join end", "end end"),
			"start=1 a=start>a b=start>b| c=a+b| j=start>a+start>b end=1",
		},
		{
			"a loop", graphOf("start linear loop", "loop split-switch loop,end", "end end"),
			"start=1 loop=1 end=1",
		},
		{
			"a loop with two ways out", graphOf("start linear loop", "loop split-switch loop,a,b", "a linear end", "b linear end", "end end"),
			"start=1 loop=1 a=loop>a b=loop>b end=1",
		},
		{
			"a switch in a foreach",
			graphOf("start split-foreach s", "s split-switch a,b", "a linear join", "b linear join", ">join join end", "end end"),
			"start=1 s=start| a=s>a| b=s>b| join=1 end=1",
		},
		{
			"a foreach in a branch",
			graphOf("start split-switch f,c", "f split-foreach w", "w linear join", ">join join c", "c end"),
			"start=1 f=start>f| w=f| join=start>f c=1",
		},
		{
			"a static split in a branch, a gang in one arm",
			graphOf("start split-switch s,end", "s split-static p,q", "p split-parallel g", "g linear gj", ">gj join sj", "q linear sj", ">sj join end", "end end"),
			"start=1 s=start>s p=start>s| g=p| gj=start>s q=start>s sj=start>s end=1",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			places, err := test.graph.Frames()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			widths := test.graph.Widths(places)
			gated := test.graph.Gated(places, widths)
			for i, w := range widths {
				got = append(got, test.graph.Steps[i].Name+"="+show(test.graph, w)+map[bool]string{true: "|"}[gated[i]])
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("widths\n got %s\nwant %s", text, test.want)
			}
		})
	}
}

func show(d *Definition, w Width) string {
	if w.Fixed() {
		return "1"
	}
	var parts []string
	for _, s := range w.Sources {
		part := d.Steps[s.Step].Name
		if s.Target >= 0 {
			part = fmt.Sprintf("%s>%s", part, d.Steps[s.Target].Name)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "+")
}
