package compile

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/flowdef"
)

func TestForeachHangsOnItsGate(t *testing.T) {
	p, err := Compile(flows()["two"], config())
	if err != nil {
		t.Fatal(err)
	}
	tasks := p.Spec.Components["comp-flow"].DAG.Tasks
	for name, want := range map[string]string{
		"step-begin": "", "step-split": "step-begin", "step-a": "step-split", "gate-a": "step-split",
		"step-b": "gate-a step-split", "gate-b": "gate-a step-split", "step-c": "gate-b", "step-again": "step-c",
		"step-d": "step-again", "gate-d": "step-again", "step-e": "gate-d", "step-done": "step-e",
	} {
		task, ok := tasks[name]
		if got := strings.Join(task.DependentTasks, " "); !ok || got != want {
			t.Errorf("%s depends on %q, want %q", name, got, want)
		}
	}
	if len(tasks) != 12 {
		t.Errorf("%d tasks, want 12", len(tasks))
	}
	for step, decider := range map[string]string{"a": "step-split", "b": "step-split", "d": "step-again"} {
		task := tasks["step-"+step]
		from := task.Inputs.Parameters["millrace_workers"].TaskOutput
		if from == nil || from.ProducerTask != decider || from.OutputKey != "workers_"+step {
			t.Errorf("step %s takes its workers from %+v, want %s of %s", step, from, "workers_"+step, decider)
		}
		if task.ParameterIterator == nil || task.ParameterIterator.ItemInput != "millrace_worker" {
			t.Errorf("step %s does not iterate over its workers", step)
		}
	}
	if outputs := p.Spec.Components["comp-gate-b"].OutputDefinitions; outputs != nil {
		t.Errorf("gate-b has outputs %v, but decides nothing", outputs)
	}
}

func TestOnlyTheFirstPoolGetsParameters(t *testing.T) {
	p, err := Compile(flows()["parameters"], config())
	if err != nil {
		t.Fatal(err)
	}
	start := p.Spec.Components["comp-step-start"].InputDefinitions.Parameters
	end := p.Spec.Components["comp-step-end"].InputDefinitions.Parameters
	for _, name := range []string{"text", "run", "must", "millrace_parameters", "millrace_run"} {
		if _, ok := start[name]; !ok {
			t.Errorf("start lacks %s", name)
		}
	}
	if len(end) != 1 {
		t.Errorf("end has the inputs %v, want millrace_run alone", end)
	}
}

// What the pipeline carries as a default comes back from the launcher's own
// reading of it, or is left to the definition.
func TestDefaultsComeBack(t *testing.T) {
	d := flows()["parameters"]
	p, err := Compile(d, config())
	if err != nil {
		t.Fatal(err)
	}
	root := p.Spec.Root.InputDefinitions.Parameters
	marked := map[string]bool{"none": true, "huge": true, "money": true, "braces": true}
	values := map[string]any{"millrace_run": "499f7d1d-bfb6-4254-89eb-6c17a2da6f5b", "must": "given"}
	for _, param := range d.Parameters {
		in := root[param.Name]
		if param.Required {
			if in.DefaultValue != nil || in.IsOptional {
				t.Errorf("%s is required but has a default", param.Name)
			}
			continue
		}
		var text string
		if err := json.Unmarshal(in.DefaultValue, &text); err != nil {
			t.Fatalf("%s: %v", param.Name, err)
		}
		if (text == executorinput.DefaultMark) != marked[param.Name] {
			t.Errorf("%s: default text %q", param.Name, text)
		}
		values[param.Name] = text
	}
	doc, err := json.Marshal(map[string]any{"inputs": map[string]any{"parameterValues": values}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := executorinput.Parse(string(doc))
	if err != nil {
		t.Fatal(err)
	}
	text, err := in.ParametersJSON(d.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for _, param := range d.Parameters {
		want := string(param.Default)
		if param.Required {
			want = `"given"`
		}
		if !sameValue(param.Type, got[param.Name], json.RawMessage(want)) && string(got[param.Name]) != want {
			t.Errorf("%s: the task gets %s, want %s", param.Name, got[param.Name], want)
		}
	}
}

// A definition knows bounds, not widths: nothing in the pipeline grows with
// the number of splits.
func TestSizeDoesNotFollowWidth(t *testing.T) {
	small, large := flow(foreachGraph), flow(foreachGraph)
	small.MaxSplits, large.MaxSplits = 3, 300
	a, errA := Compile(small, config())
	b, errB := Compile(large, config())
	if string(mustBytes(t, a, errA)) != string(mustBytes(t, b, errB)) {
		t.Error("the pipeline depends on the number of splits")
	}
}

// Argo stores a container's spec several times per iteration.
func TestContainersAreSmallAndUnique(t *testing.T) {
	for name, cfg := range map[string]Config{"baked": config(), "fetch": fetchConfig()} {
		p, err := Compile(flows()["two"], cfg)
		if err != nil {
			t.Fatal(err)
		}
		limit := 1 << 10
		if cfg.Launcher == Fetch {
			limit = 3500
		}
		seen := map[string]string{}
		for label, e := range p.Spec.DeploymentSpec.Executors {
			raw, err := json.Marshal(e.Container)
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) > limit {
				t.Errorf("%s: the container of %s has %d bytes, more than %d", name, label, len(raw), limit)
			}
			if other, twice := seen[string(raw)]; twice {
				t.Errorf("%s: %s and %s have equal containers", name, label, other)
			}
			seen[string(raw)] = label
		}
	}
}

func TestRefusedByName(t *testing.T) {
	unsupported := flow(foreachGraph)
	unsupported.Steps[1].Resources.Unsupported = []string{"service_account", "disk"}
	expanded := flow(foreachGraph)
	expanded.Steps[1].Resources.Labels = map[string]string{"a": "{{b}}"}
	for name, c := range map[string]struct {
		flow *flowdef.Definition
		step string
		want string
	}{
		"attributes": {unsupported, "work", "service_account, disk"},
		"expansion":  {expanded, "work", "{{b}}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(c.flow, config())
			refused, ok := errors.AsType[*UnsupportedError](err)
			if !ok {
				t.Fatalf("got %v, want an UnsupportedError", err)
			}
			if refused.Step != c.step || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want step %q and %q", err, c.step, c.want)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"definition URL: missing":        func(c *Config) { c.DefinitionURL = "" },
		"definition digest":              func(c *Config) { c.DefinitionSHA256 = "abc" },
		"driver: want host:port":         func(c *Config) { c.Driver = "somewhere" },
		"init needs a KFP server":        func(c *Config) { c.Launcher = Init },
		"none of fetch, baked":           func(c *Config) { c.Launcher = "carried" },
		"off loopback only https":        func(c *Config) { c.FetchURL = "http://millrace-driver:9091" },
		"set --launcher-dir":             func(c *Config) { c.Pins = nil },
		"MILLRACE_TOKEN is a secret":     func(c *Config) { c.Environment = map[string]string{"MILLRACE_TOKEN": "x"} },
		"would be changed by Kubernetes": func(c *Config) { c.Environment = map[string]string{"A": "$(HOME)"} },
		"in the pod environment too": func(c *Config) {
			c.Environment = map[string]string{"METAFLOW_SERVICE_HEADERS_": "x"}
			c.Secrets[0].Variable = "METAFLOW_SERVICE_HEADERS_"
		},
		"retry count":                     func(c *Config) { c.Retry.Count = -1 },
		"retry backoff":                   func(c *Config) { c.Retry.MaxPause = 0 },
		`definition URL: "s3://{{x}}"`:    func(c *Config) { c.DefinitionURL = "s3://{{x}}" },
		"want http(s)://host:port as pod": func(c *Config) { c.FetchURL = "ftp://x" },
	} {
		cfg := fetchConfig()
		change(&cfg)
		_, err := Compile(flow(foreachGraph), cfg)
		if _, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a ConfigError with %q", err, want)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 200)
	for in, want := range map[string]string{
		"train": "train", "a_b": "a-b", "_last_": "-last-", "größe": "gre-" + mangle("größe")[4:],
		long: mangle(long),
	} {
		got := mangle(in)
		if got != want || len(got) > maxMangled {
			t.Errorf("mangle(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"HelloFlow": "helloflow", "proj.user.ada.Flow": "proj-user-ada-flow", "--X__y--": "x-y",
	} {
		if got := pipelineName(in); got != want {
			t.Errorf("pipelineName(%q) = %q, want %q", in, got, want)
		}
	}
	if name := pipelineName("日本"); !strings.HasPrefix(name, "flow-") {
		t.Errorf("pipelineName of no ASCII letters is %q", name)
	}
}

func TestParseSecrets(t *testing.T) {
	got, err := ParseSecrets(" a/b=C, d.e/f.g=H ,")
	if err != nil || !slices.Equal(got, []SecretEnv{{"a", "b", "C"}, {"d.e", "f.g", "H"}}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"a", "a=B", "a/b", "A/b=C", "a/b=1C", "a/b=C,x/y=C", "a/b$=C", "../x/b=C"} {
		if _, err := ParseSecrets(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// No document makes the compiler panic, and what it takes it emits whole.
func FuzzCompile(f *testing.F) {
	for _, d := range flows() {
		raw, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
		f.Add([]byte(strings.ReplaceAll(string(raw), `"start"`, `"end"`)))
		f.Add([]byte(strings.ReplaceAll(string(raw), `"linear"`, `"split-static"`)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := flowdef.Decode(raw)
		if err != nil {
			return
		}
		for _, cfg := range []Config{config(), fetchConfig()} {
			p, err := Compile(d, cfg)
			if err != nil {
				continue
			}
			mustBytes(t, p, nil)
		}
	})
}
