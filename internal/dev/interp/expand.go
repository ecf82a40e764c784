package interp

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// kubeExpand is what a kubelet does to command, args and env: $(NAME) becomes
// the variable's value when there is one, $$ becomes $.
func kubeExpand(s string, lookup map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '$':
			out.WriteByte('$')
		case '(':
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				out.WriteString("$(")
				continue
			}
			name := s[i+1 : i+end]
			if value, ok := lookup[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			i += end
		default:
			out.WriteByte('$')
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// expandJSON is the kubelet's expansion of a JSON text that is an argument of
// KFP's driver pod, whose own identity is all it could name.
func expandJSON(raw json.RawMessage) json.RawMessage {
	expanded := kubeExpand(string(raw), driverPod)
	if !json.Valid([]byte(expanded)) {
		return raw
	}
	return json.RawMessage(expanded)
}

// driverPod is the environment of KFP's own pod before each of ours.
var driverPod = map[string]string{"KFP_POD_NAME": "kfp-driver", "KFP_POD_UID": "kfp-driver"}

var placeholder = regexp.MustCompile(`\{\{\$[^}]*\}\}`)

var (
	inputParameter  = regexp.MustCompile(`^\{\{\$\.inputs\.parameters\[['"]([^'"]+)['"]\]\}\}$`)
	outputParameter = regexp.MustCompile(`^\{\{\$\.outputs\.parameters\[['"]([^'"]+)['"]\]\.output_file\}\}$`)
)

// fill resolves the placeholders of one string of command or args.
func fill(s string, in Values, outputFiles map[string]string, executorInput string) (string, error) {
	var failed error
	out := placeholder.ReplaceAllStringFunc(s, func(found string) string {
		if found == "{{$}}" {
			return executorInput
		}
		if m := inputParameter.FindStringSubmatch(found); m != nil {
			if value, ok := in[m[1]]; ok {
				return text(value)
			}
			failed = fmt.Errorf("%s: parameter not found in executor input", found)
			return ""
		}
		if m := outputParameter.FindStringSubmatch(found); m != nil {
			if file, ok := outputFiles[m[1]]; ok {
				return file
			}
			failed = fmt.Errorf("%s: no such output", found)
			return ""
		}
		failed = fmt.Errorf("%s is not resolved by Kubeflow Pipelines", found)
		return ""
	})
	return out, failed
}

// executorInput is what {{$}} stands for.
func executorInput(in Values, outputFiles map[string]string, metadataFile string) (string, error) {
	type outputFile struct {
		File string `json:"outputFile"`
	}
	var doc struct {
		Inputs struct {
			Values Values `json:"parameterValues,omitempty"`
		} `json:"inputs"`
		Outputs struct {
			Parameters map[string]outputFile `json:"parameters,omitempty"`
			File       string                `json:"outputFile"`
		} `json:"outputs"`
	}
	doc.Inputs.Values, doc.Outputs.File = in, metadataFile
	for name, file := range outputFiles {
		if doc.Outputs.Parameters == nil {
			doc.Outputs.Parameters = map[string]outputFile{}
		}
		doc.Outputs.Parameters[name] = outputFile{file}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("make the executor input: %w", err)
	}
	return string(raw), nil
}
