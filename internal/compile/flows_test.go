package compile

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
)

// flow makes a definition from "start:linear>work work:split-foreach>item
// item:linear>gather gather:join>end end:end": name, type, next steps. The
// first step is the start, the last the end.
func flow(graph string) *flowdef.Definition {
	d := &flowdef.Definition{
		Schema: flowdef.Schema, Flow: "SomeFlow", Pipeline: "someflow", Script: "flow.py",
		CodePackage: flowdef.CodePackage{
			URL: "s3://bucket/SomeFlow/data/aa/" + strings.Repeat("a", 40), SHA1: strings.Repeat("a", 40),
			SHA256: strings.Repeat("b", 64), Size: 1234, Metadata: "{}",
		},
		Datastore:   flowdef.Datastore{Type: "s3", Root: "s3://bucket"},
		Environment: map[string]string{"METAFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9000"},
		SystemTags:  []string{"python_version:3.11.7", "runtime:kubeflow-pipelines"},
		Owner:       "ada", Python: "/usr/bin/python3", MetaflowVersion: "2.19.39",
		MaxWorkers: 4, MaxSplits: 100_000,
	}
	for spec := range strings.FieldsSeq(graph) {
		head, next, _ := strings.Cut(spec, ">")
		name, kind, _ := strings.Cut(head, ":")
		s := flowdef.Step{Name: name, Type: flowdef.StepType(kind), Join: kind == "join", Executable: "python"}
		if next != "" {
			s.Next = strings.Split(next, ",")
		}
		switch s.Type {
		case flowdef.SplitForeach:
			s.ForeachVar = "items"
		case flowdef.SplitSwitch:
			s.Condition = "kind"
		}
		d.Steps = append(d.Steps, s)
	}
	d.StartStep, d.EndStep = d.Steps[0].Name, d.Steps[len(d.Steps)-1].Name
	return d
}

func config() Config {
	secrets, _ := ParseSecrets("millrace/token=MILLRACE_TOKEN,millrace/service-headers=METAFLOW_SERVICE_HEADERS")
	return Config{
		DefinitionURL: "s3://bucket/SomeFlow/data/cc/" + strings.Repeat("c", 40), DefinitionSHA256: strings.Repeat("d", 64),
		Launcher: Baked, Driver: "millrace-driver:9090", Secrets: secrets, Retry: DefaultRetry(),
	}
}

func fetchConfig() Config {
	c := config()
	c.Launcher, c.FetchURL = Fetch, "https://millrace-driver:9091"
	c.Pins = map[string]string{"amd64": strings.Repeat("1", 64), "arm64": strings.Repeat("2", 64)}
	return c
}

const foreachGraph = "start:split-foreach>work work:linear>gather gather:join>end end:end"

// flows are the definitions behind the golden files.
func flows() map[string]*flowdef.Definition {
	dressed := flow(foreachGraph)
	seconds := int64(300)
	dressed.Steps[1].Resources = flowdef.Resources{
		Image: "registry/train:1", CPU: "2", CPULimit: "4", Memory: "4096Mi", MemoryLimit: "8Gi", GPU: "1",
		SharedMemory: "512Mi", TmpfsSize: "1024Mi", PullPolicy: "Always", PullSecrets: []string{"regcred"},
		NodeSelector:           map[string]string{"pool": "gpu"},
		Tolerations:            []flowdef.Toleration{{Key: "gpu", Operator: "Exists", Effect: "NoExecute", Seconds: &seconds}},
		Labels:                 map[string]string{"team": "blue"},
		Annotations:            map[string]string{"why": "because", "karpenter.sh/do-not-disrupt": "false"},
		PersistentVolumeClaims: map[string]string{"scratch": "/scratch", "models": "/models"},
	}
	named := flow("flow:split-foreach>verify verify:linear>run run:linear>finally finally:join>_last_ _last_:end")
	parameters := flow("start:start>end end:end")
	parameters.Parameters = []flowdef.Parameter{
		parameterOf("text", "str", `"hello\nworld ä"`), parameterOf("empty", "str", `""`), parameterOf("none", "str", `null`),
		parameterOf("count", "int", `7`), parameterOf("huge", "int", `123456789012345678901234567890`),
		parameterOf("rate", "float", `0.1`), parameterOf("flag", "bool", `false`), parameterOf("tree", "json", `{"a":[[1,2],"b"]}`),
		parameterOf("money", "str", `"costs $$5 or $(X)"`), parameterOf("braces", "str", `"{{workflow.name}}"`),
		parameterOf("run", "str", `"a parameter called run"`),
		{Name: "must", Type: "str", Required: true, Help: "give it"},
	}
	out := map[string]*flowdef.Definition{
		"one-step":   flow("only:end"),
		"linear":     flow("start:start>middle middle:linear>end end:end"),
		"foreach":    flow(foreachGraph),
		"two":        flow("begin:start>split split:split-foreach>a a:linear>b b:linear>c c:join>again again:split-foreach>d d:linear>e e:join>done done:end"),
		"named":      named,
		"dressed":    dressed,
		"parameters": parameters,
	}
	maps.Copy(out, graphs())
	return out
}

// graphs are flows of every shape that Metaflow's graph has.
func graphs() map[string]*flowdef.Definition {
	out := map[string]*flowdef.Definition{}
	for name, graph := range map[string]string{
		"nested":   "start:split-foreach>outer outer:split-foreach>inner inner:linear>joinin joinin:join>joinout joinout:join>end end:end",
		"branches": "start:split-static>a,b a:linear>j b:split-foreach>c c:linear>k k:join>j j:join>end end:end",
		// The convergence has the one task of the switch.
		"switch": "start:split-switch>a,b a:linear>c b:linear>d d:linear>c c:linear>end end:end",
		// Straight to the convergence, or through a foreach.
		"switch-foreach": "start:split-switch>f,c f:split-foreach>w w:linear>j j:join>c c:linear>end end:end",
		// x is reached from two switches, the last of which knows its list.
		"switch-shared": "start:split-switch>l,r l:split-switch>x,y r:split-switch>x,z x:linear>end y:linear>end z:linear>end end:end",
		// Two foreaches, one body, one join: whichever ran.
		"switch-twins": "start:split-switch>f,g,end f:split-foreach>w g:split-foreach>w w:linear>j j:join>end end:end",
		"loop":         "start:start>loop loop:split-switch>loop,end end:end",
		// A loop with two ways out, then a second one.
		"loop-exits":     "start:start>loop loop:split-switch>loop,a,b a:linear>again b:linear>again again:split-switch>again,end end:end",
		"switch-in-body": "start:split-foreach>s s:split-switch>a,b a:linear>j b:linear>j j:join>end end:end",
		"gang":           "start:split-parallel>train train:linear>gather gather:join>end end:end",
		"gang-in-body":   "start:split-foreach>prepare prepare:split-parallel>train train:linear>gather gather:join>j j:join>end end:end",
		"mixed": "start:split-static>p,q " +
			"p:split-switch>f,g f:split-foreach>loop loop:split-switch>loop,leaf leaf:linear>fj fj:join>pj " +
			"g:split-parallel>train train:linear>gj gj:join>pj pj:linear>j " +
			"q:split-foreach>s s:split-switch>u,v u:split-foreach>w w:linear>uj uj:join>v v:linear>qj qj:join>j j:join>end end:end",
	} {
		d := flow(graph)
		for i := range d.Steps {
			if d.Steps[i].Type == flowdef.SplitParallel {
				gang, _ := d.Step(d.Steps[i].Next[0])
				gang.Parallel = true
			}
		}
		out[name] = d
	}
	return out
}

func parameterOf(name, kind, value string) flowdef.Parameter {
	return flowdef.Parameter{Name: name, Type: kind, Default: json.RawMessage(value)}
}

func mustBytes(t testing.TB, p *Pipeline, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
