package compile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/test/flowgen"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// compiled returns every test flow's file by name.
func compiled(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, d := range flows() {
		if err := d.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := Compile(d, config())
		out[name] = mustBytes(t, p, err)
	}
	p, err := Compile(flow(foreachGraph), fetchConfig())
	out["fetch"] = mustBytes(t, p, err)
	return out
}

func TestGolden(t *testing.T) {
	for name, got := range compiled(t) {
		path := filepath.Join("testdata", name+".yaml")
		if *rewrite {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (go test ./internal/compile -rewrite makes it)", err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestSameBytesEveryTime(t *testing.T) {
	first, second := compiled(t), compiled(t)
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s: two compilations differ", name)
		}
	}
}

// The server reads the file as YAML, document by document.
func TestDocumentsAreYAML(t *testing.T) {
	d := flow("start:start>end end:end")
	d.Parameters = []flowdef.Parameter{parameterOf("odd", "str", `"a\u007fb\u0085c\u2028d\ufeffe\uffffF\ud83d\ude00"`)}
	p, err := Compile(d, config())
	raw := mustBytes(t, p, err)
	docs := bytes.Split(raw, []byte("\n---\n"))
	if len(docs) != 2 {
		t.Fatalf("%d documents, want 2", len(docs))
	}
	var spec PipelineSpec
	if err := yaml.Unmarshal(docs[0], &spec); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(spec.Root.InputDefinitions.Parameters["odd"].DefaultValue, &back); err != nil {
		t.Fatal(err)
	}
	want := "a\u007fb\u0085c\u2028d\ufeffe\uffffF\U0001F600"
	if back != want {
		t.Errorf("default came back as %q, want %q", back, want)
	}
	if err := yaml.Unmarshal(docs[1], new(PlatformSpec)); err != nil {
		t.Fatal(err)
	}
}

// The current protos of KFP parse everything we emit, strictly.
func TestProtos(t *testing.T) {
	python := os.Getenv("MILLRACE_TEST_KFP_PYTHON")
	if python == "" {
		python, _ = filepath.Abs("../../.venv-kfp/bin/python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skipf("no python with KFP's protos: %v (make .venv-kfp, or set MILLRACE_TEST_KFP_PYTHON)", err)
	}
	dir := t.TempDir()
	args := []string{"../../test/protos/check_pipeline.py"}
	documents := compiled(t)
	for seed := range uint64(10) {
		f, _, err := flowgen.Make(seed, flowgen.Options{Steps: 30, Tasks: 1000, Depth: 4})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(f.Definition(), config())
		documents[fmt.Sprintf("random-%d", seed)] = mustBytes(t, p, err)
	}
	for name, raw := range documents {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The check itself finds what a server would refuse.
	bad := filepath.Join(dir, "bad.yaml")
	raw := bytes.Replace(compiled(t)["linear"], []byte(`"dependentTasks"`), []byte(`"dependsOn"`), 1)
	if err := os.WriteFile(bad, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, args[0], bad).CombinedOutput(); err == nil {
		t.Fatalf("an unknown field passed: %s", out)
	}
}
