package interp

import (
	"fmt"
	"strings"
	"testing"
)

func good(t testing.TB) string {
	return string(pipeline(t, "true",
		step{name: "start", script: "true", output: "LIST"},
		step{name: "work", script: "true", over: "start", after: []string{"start"}, retries: 1},
	))
}

// What is not modelled is refused, and named.
func TestRefused(t *testing.T) {
	for _, test := range []struct{ name, old, new, message string }{
		{"schema", `"2.1.0"`, `"2.0.0"`, "schemaVersion"},
		{"name", `"name":"test"`, `"name":"Test_"`, "pipelineInfo.name"},
		{"unknown field", `"sdkVersion"`, `"sdkVersions"`, `"sdkVersions"`},
		{"condition", `{"strategy":`, `{"condition":"true","strategy":`, `"condition"`},
		{"strategy", `"ALL_UPSTREAM_TASKS_COMPLETED"`, `"ALL"`, "triggerPolicy.strategy ALL"},
		{"underscore", `"start":{`, `"st_art":{`, "digits and dashes"},
		{"component", `"comp-start"}`, `"comp-none"}`, `"comp-none" does not exist`},
		{"executor", `"executorLabel":"exec-start"`, `"executorLabel":"exec-none"`, `"exec-none" does not exist`},
		{"dependency", `"dependentTasks":["start"]`, `"dependentTasks":["none"]`, `"none", which does not exist`},
		{"cycle", `"dependentTasks":["start"]`, `"dependentTasks":["work"]`, "depends on itself"},
		{"recursion", `{"name":"comp-start"}`, `{"name":"comp-flow"}`, "DAGs in each other"},
		{"output", `"outputParameterKey":"list"`, `"outputParameterKey":"none"`, `no output "none"`},
		{"no list", `"list":{"parameterType":"LIST"},"run"`, `"list":{"parameterType":"STRING"},"run"`, `"list" is no LIST`},
		{"argo", `["sh","-c","true"]`, `["sh","-c","echo {{workflow.name}}"]`, "{{workflow.name}}"},
		{"constant", `{{$.pipeline_job_uuid}}`, `{{$.pipeline_task_uuid}}`, "{{$.pipeline_task_uuid}}"},
		{"no command", `"command":["sh","-c","true"]`, `"command":[]`, "no container with a command"},
		{"platform", `"kubernetes"`, `"vertex"`, `platform "vertex"`},
		{"platform field", `"podMetadata"`, `"pvcMount":[],"podMetadata"`, `"pvcMount"`},
		{"field path", `"podMetadata"`, `"fieldPathAsEnv":[{"name":"X","fieldPath":"spec.none"}],"podMetadata"`, "spec.none"},
		{"mount", `"podMetadata"`, `"emptyDirMounts":[{"mountPath":"/data"}],"podMetadata"`, "emptyDirMounts at /data"},
		{"duration", `"backoffDuration":"1s"`, `"backoffDuration":"1"`, "duration"},
		{"three documents", `{"platforms"`, "{}\n---\n" + `{"platforms"`, "document 3"},
		{"empty", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			document := strings.ReplaceAll(good(t), test.old, test.new)
			if test.name == "empty" {
				document = ""
			}
			if test.name != "empty" && document == good(t) {
				t.Fatal("nothing was replaced")
			}
			_, err := Parse([]byte(document))
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error %v, want %q", err, test.message)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	document := strings.Replace(good(t), `"root":{`, `"root":{"inputDefinitions":{"parameters":{"need":{"parameterType":"STRING"},`+
		`"n":{"parameterType":"NUMBER_INTEGER","defaultValue":3,"isOptional":true},"may":{"parameterType":"LIST","isOptional":true}}},`, 1)
	p, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		given Values
		want  string // the error, or the arguments
	}{
		{"missing", Values{}, `"need" is required`},
		{"unknown", Values{"need": []byte(`"x"`), "other": []byte("1")}, `no parameter "other"`},
		{"type", Values{"need": []byte("1")}, "1 is no STRING"},
		{"fraction", Values{"need": []byte(`"x"`), "n": []byte("1.5")}, "1.5 is no NUMBER_INTEGER"},
		{"defaults", Values{"need": []byte(`"x"`)}, `map[n:3 need:"x"]`},
		{"expanded once", Values{"need": []byte(`"$$(X) $(KFP_POD_NAME) $(Y) {{z}}"`)}, `map[n:3 need:"$(X) kfp-driver $(Y) {{z}}"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			args, err := p.Arguments(test.given)
			got := show(args)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func show(v Values) string {
	out := map[string]string{}
	for name, raw := range v {
		out[name] = string(raw)
	}
	return fmt.Sprint(out)
}

func TestKubeExpand(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "$": "$", "a$": "a$", "$$": "$", "$$(A)": "$(A)", "$(A)": "1", "$(B)": "$(B)", "$(": "$(", "$(A": "$(A", "$x": "$x", "$$$(A)": "$1", "$$$$": "$$",
	} {
		if got := kubeExpand(in, map[string]string{"A": "1"}); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestFill(t *testing.T) {
	in := Values{"s": []byte(`"x y"`), "n": []byte("3"), "f": []byte("1234567.5"), "b": []byte("true"), "l": []byte("[1,\"a\"]")}
	for template, want := range map[string]string{
		"{{$.inputs.parameters['s']}}-{{$.inputs.parameters['n']}}": "x y-3",
		"{{$.inputs.parameters['f']}}":                              "1.2345675e+06",
		"{{$.inputs.parameters['b']}}":                              "true",
		"{{$.inputs.parameters['l']}}":                              `[1,"a"]`,
		"{{$.outputs.parameters['o'].output_file}}":                 "/file",
		"{{$}}":                        "whole",
		"{{$.inputs.parameters['x']}}": "! parameter not found",
		"{{$.pipeline_root}}":          "! not resolved",
	} {
		got, err := fill(template, in, map[string]string{"o": "/file"}, "whole")
		if err != nil {
			got = "! " + err.Error()
		}
		if bad, ok := strings.CutPrefix(want, "! "); ok && !strings.Contains(got, bad) || !ok && got != want {
			t.Errorf("%s became %s, want %s", template, got, want)
		}
	}
}

// Whatever is uploaded is refused or understood, and what is understood can
// begin.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"foreach-pool", "nested-foreach", "switch-by-lists"} {
		f.Add(readFile(f, "testdata/"+name+".yaml"))
	}
	f.Add([]byte(good(f)))
	f.Add([]byte("---\n{}\n---\n"))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := Parse(document)
		if err != nil {
			return
		}
		args, err := p.Arguments(Values{})
		if err != nil {
			return
		}
		m := &machine{p: p, r: &Record{ID: "run", Args: args, Nodes: map[string]*Node{}}, rules: rules{newUID: func() string { return "uid" }}}
		m.advance(m.r.Created)
		_ = p.Spec()
		_ = m.view()
	})
}
