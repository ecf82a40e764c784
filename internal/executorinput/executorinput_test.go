package executorinput

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/flowdef"
)

const runUUID = "499f7d1d-bfb6-4254-89eb-6c17a2da6f5b"

// A document captured from KFP 2.17, its inputs renamed to the launcher's.
const captured = `{"inputs":{"parameterValues":{"millrace_run":"499f7d1d-bfb6-4254-89eb-6c17a2da6f5b","millrace_worker":2,"millrace_workers":[0,1,2],
"b":true,"num":1234567.5,"st":{"a":[1,2]},"name":"run one","none":null}},
"outputs":{"parameters":{"workers_body":{"outputFile":"/tmp/kfp/outputs/workers_body"}},"outputFile":"/minio/x/output_metadata.json"}}`

func TestParseCaptured(t *testing.T) {
	got, err := Parse(captured)
	if err != nil {
		t.Fatal(err)
	}
	want := &Input{
		Run: runUUID, Worker: 2,
		Parameters: map[string]string{"b": "true", "num": "1234567.5", "st": `{"a":[1,2]}`, "name": "run one"},
		Outputs:    map[string]string{"workers_body": "/tmp/kfp/outputs/workers_body"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseStatus(t *testing.T) {
	for _, doc := range []string{
		`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_status":{"state":"FAILED","error":{"message":"m"}}}}}`,
		`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_status":"{\"state\":\"FAILED\",\"error\":{\"message\":\"m\"}}"}}}`,
	} {
		got, err := Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == nil || got.Status.State != "FAILED" || got.Status.Error.Message != "m" {
			t.Errorf("status = %+v", got.Status)
		}
	}
}

func TestParseResume(t *testing.T) {
	pack := func(text string) string {
		return `"` + base64.URLEncoding.EncodeToString([]byte(text)) + `"`
	}
	for name, row := range map[string]struct {
		raw  string
		want *Resume
		err  string
	}{
		"run":             {pack(`{"origin_run":"kfp-1"}`), &Resume{OriginRun: "kfp-1"}, ""},
		"run and step":    {pack(`{"origin_run":"kfp-1","step":"train"}`), &Resume{"kfp-1", "train"}, ""},
		"without pads":    {`"` + Resume{"kfp-1", "a"}.String() + `"`, &Resume{"kfp-1", "a"}, ""},
		"empty":           {`""`, nil, ""},
		"null":            {`null`, nil, ""},
		"not given":       {`"` + DefaultMark + `"`, nil, ""},
		"no text":         {`7`, nil, "string"},
		"no base64":       {`"!!"`, nil, "base64url"},
		"no object":       {pack(`[]`), nil, "JSON object"},
		"no run":          {pack(`{"step":"train"}`), nil, "origin_run: missing"},
		"run with a path": {pack(`{"origin_run":"a/../b"}`), nil, "origin_run"},
		"run of digits":   {pack(`{"origin_run":"17"}`), nil, "origin_run"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_resume":` + row.raw + `}}}`)
			if row.err != "" {
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "millrace_resume: ") || !strings.Contains(err.Error(), row.err) {
					t.Errorf("got %v, want ErrInvalid naming millrace_resume and %q", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(row.want, got.Resume); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, row := range map[string]struct{ doc, names string }{
		"not JSON":            {`{`, ""},
		"placeholder left":    {`{{$}}`, ""},
		"no run":              {`{"inputs":{"parameterValues":{}}}`, "millrace_run"},
		"run of another kind": {`{"inputs":{"parameterValues":{"millrace_run":3}}}`, "millrace_run"},
		"run not a uuid":      {`{"inputs":{"parameterValues":{"millrace_run":"../x"}}}`, "millrace_run"},
		"worker a fraction":   {`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_worker":1.5}}}`, "millrace_worker"},
		"worker negative":     {`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_worker":-1}}}`, "millrace_worker"},
		"relative output":     {`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `"}},"outputs":{"parameters":{"o":{"outputFile":"x"}}}}`, "outputs.parameters.o"},
		"too long":            {strings.Repeat(" ", MaxBytes+1), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(row.doc)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), row.names) {
				t.Errorf("got %v, want ErrInvalid naming %q", err, row.names)
			}
		})
	}
}

func TestParametersJSON(t *testing.T) {
	declared := []flowdef.Parameter{
		{Name: "s", Type: "str", Default: json.RawMessage(`"d"`)},
		{Name: "i", Type: "int", Required: true},
		{Name: "n", Type: "str", Default: json.RawMessage(`null`)},
	}
	exact := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	hazards := "a$$b $(X) {{workflow.name}}\n\u00e9\u4e16"
	quoted, _ := json.Marshal(hazards)
	for name, row := range map[string]struct {
		in   Input
		want string
		err  string
	}{
		"raw strings":          {in: Input{Parameters: map[string]string{"i": " 5", "s": "x"}}, want: `{"s":"x","i":5,"n":null}`},
		"default":              {in: Input{Parameters: map[string]string{"i": "5"}}, want: `{"s":"d","i":5,"n":null}`},
		"exact wins":           {in: Input{Parameters: map[string]string{"i": "5", "s": "a$b"}, Exact: exact(`{"s":` + string(quoted) + `}`)}, want: `{"s":` + string(quoted) + `,"i":5,"n":null}`},
		"required missing":     {in: Input{}, err: ".i"},
		"of another type":      {in: Input{Parameters: map[string]string{"i": "five"}}, err: "want an int"},
		"undeclared":           {in: Input{Parameters: map[string]string{"i": "5"}, Exact: exact(`{"zz":1}`)}, err: "zz"},
		"exact is no base64":   {in: Input{Exact: "!!"}, err: "millrace_parameters"},
		"exact is no object":   {in: Input{Exact: exact(`[]`)}, err: "millrace_parameters"},
		"exact with its pads":  {in: Input{Exact: base64.URLEncoding.EncodeToString([]byte(`{"i":7}`))}, want: `{"s":"d","i":7,"n":null}`},
		"undeclared raw value": {in: Input{Parameters: map[string]string{"i": "5", "other": "x"}}, want: `{"s":"d","i":5,"n":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.in.ParametersJSON(declared)
			if row.err != "" {
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), row.err) {
					t.Fatalf("got %v, want ErrInvalid naming %q", err, row.err)
				}
				return
			}
			if err != nil || got != row.want {
				t.Errorf("got %s, %v, want %s", got, err, row.want)
			}
		})
	}
}

func TestFromText(t *testing.T) {
	for _, row := range []struct{ kind, raw, want string }{
		{"bool", "True", "true"},
		{"bool", "off", "false"},
		{"bool", "maybe", ""},
		{"float", "1e3", "1000"},
		{"float", "NaN", ""},
		{"json", `{"a": [1]}`, `{"a": [1]}`},
		{"json", `{`, ""},
		{"str", "", `""`},
	} {
		got, err := FromText(row.kind, row.raw)
		if string(got) != row.want || (err != nil) != (row.want == "") {
			t.Errorf("FromText(%s, %q) = %s, %v, want %s", row.kind, row.raw, got, err, row.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(captured)
	f.Add(`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_parameters":"eyJhIjoxfQ"}}}`)
	f.Add(`{"inputs":{"parameterValues":{"millrace_status":"{}"}}}`)
	f.Add(`{{$}}`)
	f.Add(`{"inputs":{"parameterValues":{"millrace_run":"` + runUUID + `","millrace_resume":"` + Resume{"kfp-1", "a"}.String() + `"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		in, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if r := in.Resume; r != nil {
			again, err := unmarshalResume(json.RawMessage(`"` + r.String() + `"`))
			if err != nil || r.OriginRun == "" || *again != *r {
				t.Errorf("%+v comes back as %+v, %v", r, again, err)
			}
		}
		if _, err := in.ParametersJSON([]flowdef.Parameter{{Name: "a", Type: "json"}}); err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("untyped error %v", err)
		}
	})
}
