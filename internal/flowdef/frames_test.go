package flowdef

import (
	"fmt"
	"strings"
	"testing"
)

// graph builds steps from "name type next,next"; ">" takes inputs.
func graph(lines ...string) *Definition {
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

func TestFrames(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string // frames of each step, or the error
	}{
		{"one step", []string{"only end"}, "only[]"},
		{"one step that starts", []string{"only start"}, "only[]"},
		{"linear", []string{"start start a", "a linear end", "end end"}, "start[] a[] end[]"},
		{
			"foreach",
			[]string{"start split-foreach a", "a linear b", "b linear j", ">j join end", "end end"},
			"start[] a[0] b[0] j[]<0 end[]",
		},
		{
			"the end joins",
			[]string{"start split-foreach a", "a linear end", ">end end"},
			"start[] a[0] end[]<0",
		},
		{
			"nested",
			[]string{"start split-foreach a", "a split-foreach b", "b linear j", ">j join k", ">k join end", "end end"},
			"start[] a[0] b[0 1] j[0]<1 k[]<0 end[]",
		},
		{
			"static",
			[]string{"start split-static a,b", "a linear j", "b linear j", ">j join end", "end end"},
			"start[] a[0.0] b[0.1] j[]<0 end[]",
		},
		{
			"a join that splits again",
			[]string{"start split-foreach a", "a linear j", ">j split-foreach c", "c linear k", ">k join end", "end end"},
			"start[] a[0] j[]<0 c[2] k[]<2 end[]",
		},
		{
			"switch that converges, with recursion",
			[]string{"start start s", "s split-switch s,a,b", "a linear c", "b linear c", "c linear end", "end end"},
			"start[] s[] a[] b[] c[] end[]",
		},
		{
			"two foreaches with one body",
			[]string{"start split-switch a,b", "a split-foreach c", "b split-foreach c", "c linear j", ">j join end", "end end"},
			"start[] a[] b[] c[1] j[]<1 end[]",
		},
		{
			"two static splits with the same branches",
			[]string{"start split-switch a,b", "a split-static c,d", "b split-static d,c", "c linear j", "d linear j", ">j join end", "end end"},
			"start[] a[] b[] c[1.0] d[1.1] j[]<1 end[]",
		},
		{
			"static splits that share one branch",
			[]string{"start split-switch a,b", "a split-static c,d", "b split-static c,e", "c linear j", "d linear j", "e linear j", ">j join end", "end end"},
			`step "c" joins branches but takes no inputs`,
		},
		{
			"a step that two branches can reach",
			[]string{"start split-static a,c", "a split-switch b,c", "b linear j", "c linear j", ">j join end", "end end"},
			`step "c" joins branches but takes no inputs`,
		},
		{"unreachable", []string{"start start end", "a linear end", "end end"}, `nothing leads to step "a"`},
		{"foreach into join", []string{"start split-foreach j", ">j join end", "end end"}, "straight into the join"},
		{
			"a branch is missing",
			[]string{"start split-static a,b,c", "a linear j", "b linear j", "c linear end", ">j join end", "end end"},
			"joins 2 of the 3",
		},
		{
			"branches of different splits",
			[]string{"start split-static a,b", "a split-foreach c", "c linear j", "b linear j", ">j join end", "end end"},
			"different splits",
		},
		{
			"joined without inputs",
			[]string{"start split-static a,b", "a linear j", "b linear j", "j linear end", "end end"},
			"takes no inputs",
		},
		{"inputs without a split", []string{"start start j", ">j join end", "end end"}, "no split to join"},
		{"linear self-loop", []string{"start start a", "a linear a", "end end"}, "leads back"},
		{"start in the middle", []string{"start start a", "a start end", "end end"}, "start step is"},
		{"two ends", []string{"start split-static a,b", "a end", "b linear end", "end end"}, "next"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := graph(tt.lines...)
			places, err := d.Frames()
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			var got []string
			for i, p := range places {
				var frames []string
				for _, f := range p.Frames {
					s := fmt.Sprint(f.Split)
					if d.Steps[f.Split].Type == SplitStatic {
						s += fmt.Sprintf(".%d", f.Branch)
					}
					frames = append(frames, s)
				}
				s := d.Steps[i].Name + "[" + strings.Join(frames, " ") + "]"
				if p.Joins >= 0 {
					s += fmt.Sprintf("<%d", p.Joins)
				}
				got = append(got, s)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), tt.want)
			}
		})
	}
}
