package compile

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
)

// Who is a pool, where its list comes from, and what ends it.
func TestShape(t *testing.T) {
	for name, want := range map[string]string{
		"linear":         "start middle end",
		"nested":         "start outer<step-start|gate inner<gate-outer|gate joinin<step-start|gate joinout end",
		"branches":       "start a b c<step-b|gate k j end",
		"switch":         "start a<step-start|pool b<step-start|pool d<step-start|pool c end",
		"switch-foreach": "start f<step-start|gate w<gate-f|gate j<step-start|pool c end",
		"switch-shared":  "start l<step-start|gate r<step-start|gate x<gate-r|pool y<gate-l|pool z<gate-r|pool end",
		"switch-twins":   "start f<step-start|pool g<step-start|gate w<gate-g|gate j<step-start|pool end",
		"loop":           "start loop end",
		"loop-exits":     "start loop a<step-loop|pool b<step-loop|pool again end",
		"switch-in-body": "start s<step-start|gate a<gate-s|gate b<gate-s|gate j end",
		"gang":           "start train<step-start|gate gather end",
		"gang-in-body":   "start prepare<step-start|gate train<gate-prepare|gate gather<step-start|gate j end",
		"mixed": "start p f<step-p|gate loop<gate-f|gate leaf<gate-f|gate fj<step-p|pool g<step-p|gate train<gate-g|gate gj<step-p|pool pj " +
			"q s<step-q|gate u<gate-s|gate w<gate-u|gate uj<gate-s|gate v<step-q|gate qj j end",
	} {
		t.Run(name, func(t *testing.T) {
			d := flows()[name]
			var got []string
			for _, n := range shapeOf(t, d) {
				text := n.step.Name
				if n.pool() {
					text += "<" + n.decider.end() + map[bool]string{true: "|gate", false: "|pool"}[n.gated]
				}
				got = append(got, text)
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("shape\n got %s\nwant %s", text, want)
			}
		})
	}
}

func shapeOf(t *testing.T, d *flowdef.Definition) []*node {
	t.Helper()
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	places, err := d.Frames()
	if err != nil {
		t.Fatal(err)
	}
	return shape(d, places)
}
