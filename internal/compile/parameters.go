package compile

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/flowdef"
)

// maxDefault bounds a default that stands in the pipeline: every input is in
// one argument of KFP's pods, which the kernel caps.
const maxDefault = 4096

// rootParameters are the flow's parameters as STRING inputs of the root, so
// that a run can be started from KFP's page, and ours: the exact values, and the
// run that this one resumes.
//
// No input is left without a value: KFP hands a missing one to the sub-DAG
// but not through it ("parent DAG does not have input parameter"). A default
// that is None, or that would not come back as it is, is the mark that means
// "the one of the definition".
func rootParameters(params []flowdef.Parameter) map[string]parameter {
	ours := func(description string) parameter {
		return parameter{ParameterType: "STRING", DefaultValue: jsonString(""), IsOptional: true, Description: description}
	}
	out := map[string]parameter{
		exactInput:  ours("Set by trigger: the exact values, which win. Leave it empty."),
		resumeInput: ours("Set by resume: the run whose results are taken over. Leave it empty."),
	}
	for _, p := range params {
		in := parameter{ParameterType: "STRING", Description: p.Help}
		if !Literal(in.Description) || len(in.Description) > maxDefault {
			in.Description = ""
		}
		if !p.Required || p.Default != nil {
			in.IsOptional = true
			in.DefaultValue = jsonString(defaultText(p))
		}
		out[p.Name] = in
	}
	return out
}

// forwarded are the same inputs below the root, where all have a value.
func forwarded(params []flowdef.Parameter) map[string]parameter {
	out := map[string]parameter{exactInput: {ParameterType: "STRING"}, resumeInput: {ParameterType: "STRING"}}
	for _, p := range params {
		out[p.Name] = parameter{ParameterType: "STRING"}
	}
	return out
}

// forward hands each of them on from the surrounding component.
func forward(params []flowdef.Parameter) map[string]input {
	out := map[string]input{exactInput: {ComponentInput: exactInput}, resumeInput: {ComponentInput: resumeInput}}
	for _, p := range params {
		out[p.Name] = input{ComponentInput: p.Name}
	}
	return out
}

// defaultText is the default as the text of an input, or the mark.
func defaultText(p flowdef.Parameter) string {
	text, ok := Text(p.Type, p.Default)
	if !ok || len(text) > maxDefault {
		return executorinput.DefaultMark
	}
	return text
}

// Text is the exact JSON value of a parameter as the text of a KFP input. It
// is not ok when the launcher would not read the same value out of it again,
// or when it would not arrive as it is.
func Text(kind string, value json.RawMessage) (text string, ok bool) {
	if len(value) == 0 || string(value) == "null" {
		return "", false
	}
	text = string(value)
	var s string
	if kind == "str" || kind == "json" {
		if err := json.Unmarshal(value, &s); err == nil && kind == "str" {
			text = s
		}
	}
	if !Literal(text) || text == executorinput.DefaultMark {
		return "", false
	}
	back, err := executorinput.FromText(kind, text)
	if err != nil || !sameValue(kind, back, value) {
		return "", false
	}
	return text, true
}

func sameValue(kind string, a, b json.RawMessage) bool {
	switch kind {
	case "str":
		var x, y string
		return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
	case "float":
		x, errX := strconv.ParseFloat(strings.TrimSpace(string(a)), 64)
		y, errY := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
		return errX == nil && errY == nil && x == y
	default:
		return string(a) == string(b)
	}
}

func jsonString(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // strings always marshal
	return raw
}
