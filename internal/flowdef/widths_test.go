package flowdef

import (
	"fmt"
	"strings"
	"testing"
)

func TestWidths(t *testing.T) {
	tests := []struct {
		name string
		flow *Definition
		// want is each step with its sources, and a | when it has a gate.
		want string
	}{
		{
			"a switch and its convergence", graph("start split-switch a,b", "a linear c", "b linear c", "c linear end", "end end"),
			"start=1 a=start>a b=start>b c=1 end=1",
		},
		{
			"straight to the convergence", graph("start split-switch a,end", "a linear end", "end end"),
			"start=1 a=start>a end=1",
		},
		{
			"two cases with one target", graph("start split-switch a,a,b", "a linear end", "b linear end", "end end"),
			"start=1 a=start>a b=start>b end=1",
		},
		{
			"a step reached from two switches",
			graph("start split-switch a,c", "a split-switch c,d", "c linear e", "d linear e", "e end"),
			"start=1 a=start>a| c=start>c+a>c d=a>d e=1",
		},
		{
			"switches side by side that share a step",
			graph("start split-switch l,r", "l split-switch x,y", "r split-switch x,z", "x linear end", "y linear end", "z linear end", "end end"),
			"start=1 l=start>l| r=start>r| x=l>x+r>x y=l>y z=r>z end=1",
		},
		{
			"two foreaches with one body",
			graph("start split-switch a,b", "a split-foreach c", "b split-foreach c", "c linear j", ">j join end", "end end"),
			"start=1 a=start>a b=start>b| c=a+b| j=1 end=1",
		},
		{
			"two foreaches with one body, and a third way",
			graph("start split-switch a,b,end", "a split-foreach c", "b split-foreach c", "c linear j", ">j join end", "end end"),
			"start=1 a=start>a b=start>b| c=a+b| j=start>a+start>b end=1",
		},
		{
			"a loop", graph("start linear loop", "loop split-switch loop,end", "end end"),
			"start=1 loop=1 end=1",
		},
		{
			"a loop with two ways out", graph("start linear loop", "loop split-switch loop,a,b", "a linear end", "b linear end", "end end"),
			"start=1 loop=1 a=loop>a b=loop>b end=1",
		},
		{
			"a switch in a foreach",
			graph("start split-foreach s", "s split-switch a,b", "a linear join", "b linear join", ">join join end", "end end"),
			"start=1 s=start| a=s>a| b=s>b| join=1 end=1",
		},
		{
			"a foreach in a branch",
			graph("start split-switch f,c", "f split-foreach w", "w linear join", ">join join c", "c end"),
			"start=1 f=start>f| w=f| join=start>f c=1",
		},
		{
			"a static split in a branch, a gang in one arm",
			graph("start split-switch s,end", "s split-static p,q", "p split-parallel g", "g linear gj", ">gj join sj", "q linear sj", ">sj join end", "end end"),
			"start=1 s=start>s p=start>s| g=p| gj=start>s q=start>s sj=start>s end=1",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			places, err := test.flow.Frames()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			widths := test.flow.Widths(places)
			gated := test.flow.Gated(places, widths)
			for i, w := range widths {
				got = append(got, test.flow.Steps[i].Name+"="+show(test.flow, w)+map[bool]string{true: "|"}[gated[i]])
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
