package launcher

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/workspace"
)

// call is an invocation of a step; edit makes it another.
func call(edit func(*invocation)) invocation {
	i := invocation{
		flow: &flowdef.Definition{
			Flow: "TrainFlow", Script: "train.py", Owner: "alice",
			Datastore:   flowdef.Datastore{Type: "s3", Root: "s3://bucket/root"},
			CodePackage: flowdef.CodePackage{URL: "s3://bucket/code", SHA1: "abc", Metadata: `{"version": 0, "mfcontent_version": 1}`},
			Environment: map[string]string{"METAFLOW_USER": "kubeflow-pipelines", "A": "flow", "B": "flow"},
		},
		step: &flowdef.Step{Name: "train", Executable: "python", Environment: map[string]string{"B": "step"}},
		task: &driverclient.Task{Ref: driverclient.TaskRef{Step: "train", TaskID: "task-1"}},
		run:  "kfp-1", attempt: 2, retries: 4, inputs: "/w/input-paths", sdks: "/w/sdks",
		codeDir: ".mf_code",
		space:   &workspace.Workspace{Dir: "/w/metaflow", TempDir: "/w/tmp", SocketPath: "/w/s"},
	}
	if edit != nil {
		edit(&i)
	}
	return i
}

const top = "python -u train.py --quiet --metadata=service --environment=local --datastore=s3 --datastore-root=s3://bucket/root " +
	"--event-logger=nullSidecarLogger --monitor=nullSidecarMonitor --no-pylint "

func TestArgv(t *testing.T) {
	const step = top + "--with=millrace_transition step train --run-id=kfp-1 --task-id=task-1 " +
		"--input-paths-filename=/w/input-paths --retry-count=2 --max-user-code-retries=4"
	tests := map[string]struct {
		edit func(*invocation)
		want []string
	}{
		"step":    {nil, strings.Fields(step)},
		"split":   {func(i *invocation) { i.task.SplitIndex = new(int64(0)) }, strings.Fields(step + " --split-index=0")},
		"resumed": {func(i *invocation) { i.task.OriginRun = "kfp-0" }, strings.Fields(step + " --clone-run-id=kfp-0")},
		"control task of a gang": {func(i *invocation) {
			i.task.SplitIndex = new(int64(0))
			i.task.Gang = &driverclient.Gang{Size: 2, MainAddress: "10.0.0.7:4000", Members: []string{"task-1-n0", "task-1-n1"}}
		}, strings.Fields(step + " --ubf-context=ubf_control --num-parallel=2 --split-index=0")},
		"member of a gang": {func(i *invocation) {
			i.task.SplitIndex = new(int64(1))
			i.task.Gang = &driverclient.Gang{Size: 2, Rank: 1, MainAddress: "10.0.0.7:4000", Members: []string{"task-1-n0", "task-1-n1"}}
		}, strings.Fields(step + " --ubf-context=ubf_task --num-parallel=2 --split-index=1")},
		"tags and namespace": {func(i *invocation) {
			i.flow.Tags, i.flow.Namespace = []string{"a", "b"}, "user:alice"
		}, strings.Fields(step + " --tag=a --tag=b --namespace=user:alice")},
		"decorators and options of the flow": {func(i *invocation) {
			i.step.With, i.flow.TopOptions = []string{"retry:times=3"}, []string{"--environment=conda", "--production"}
		}, strings.Fields(strings.Replace(step, "--with=millrace_transition",
			"--with=retry:times=3 --with=millrace_transition --environment=conda --production", 1))},
		"bootstrap": {
			func(i *invocation) { i.step.Bootstrap = []string{"echo hello", "export X=1"} },
			append([]string{"sh", "-c", "set -e\nflush_mflogs() { :; }\necho hello\nexport X=1\nexec python \"$@\"", "sh"}, strings.Fields(step)[1:]...),
		},
		"executable with arguments": {
			func(i *invocation) { i.step.Executable = "uv run --no-sync python" },
			append([]string{"sh", "-c", "set -e\nexec uv run --no-sync python \"$@\"", "sh"}, strings.Fields(step)[1:]...),
		},
		"executable of an environment": {
			func(i *invocation) { i.step.Executable = "$MF_ARCH/ab/bin/python -s" },
			append([]string{"sh", "-c", "set -e\nexec $MF_ARCH/ab/bin/python -s \"$@\"", "sh"}, strings.Fields(step)[1:]...),
		},
		"parameters": {func(i *invocation) {
			i.flow.Tags = []string{"a"}
			i.flow.Parameters = []flowdef.Parameter{{Name: "n", Type: "int"}, {Name: "with-hyphen", Type: "str"}, {Name: "none", Type: "str"}}
			i.task = &driverclient.Task{
				Ref: driverclient.TaskRef{Step: "_parameters", TaskID: "p"}, Parameters: true,
				ParametersJSON: `{"n": 9007199254740993, "with-hyphen": "--x\n y", "none": null}`,
			}
		}, append(strings.Fields(top+"init --run-id=kfp-1 --task-id=p --tag=a --n=9007199254740993"), "--with-hyphen=--x\n y")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := call(tt.edit).argv()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParameterOptions(t *testing.T) {
	tests := map[string]struct {
		kind, value, want, problem string
	}{
		"text":          {"str", `"a b"`, "--p=a b", ""},
		"empty":         {"str", `""`, "--p=", ""},
		"lines":         {"str", `"first\nsecond\r\n\tthird "`, "--p=first\nsecond\r\n\tthird ", ""},
		"option":        {"str", `"--flag=x"`, "--p=--flag=x", ""},
		"quotes":        {"str", `"\"'$(HOME) {{x}}"`, `--p="'$(HOME) {{x}}`, ""},
		"unicode":       {"str", `"\u00e4 🚀"`, "--p=ä 🚀", ""},
		"looks like":    {"str", `"null"`, "--p=null", ""},
		"none":          {"str", `null`, "", ""},
		"int":           {"int", `-3`, "--p=-3", ""},
		"big":           {"int", `9007199254740993`, "--p=9007199254740993", ""},
		"float":         {"float", `1e-09`, "--p=1e-09", ""},
		"true":          {"bool", `true`, "--p=True", ""},
		"false":         {"bool", `false`, "--p=False", ""},
		"json":          {"json", `{"a":[1,"{{x}}"]}`, `--p={"a":[1,"{{x}}"]}`, ""},
		"json string":   {"json", `"x"`, `--p="x"`, ""},
		"wrong":         {"str", `3`, "", "p: want a string"},
		"wrong bool":    {"bool", `"yes"`, "", "p: want true or false"},
		"NUL":           {"str", `"a\u0000"`, "", "NUL"},
		"not an object": {"str", `0]`, "", "JSON object"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parameterOptions([]flowdef.Parameter{{Name: "p", Type: tt.kind}}, `{"p":`+tt.value+`}`)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("got %q, %v; want an error with %q", got, err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, "|") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	pod := []string{
		"PATH=/bin", "A=pod", "B=pod", "C=pod", "AWS_SECRET_ACCESS_KEY=k", "PYTHONPATH=/image",
		"MILLRACE_TOKEN=secret", "MILLRACE_TOKEN_FILE=/secret", "MILLRACE_FAILPOINTS=x", "MILLRACE_FAILPOINT_LOG=y",
		"METAFLOW_SERVICE_HEADERS=secret", "METAFLOW_KUBERNETES_WORKLOAD=1", "METAFLOW_INIT_ALPHA=1", "METAFLOW_INIT_SCRIPT=true",
		"METAFLOW_RUN_ID=other", "odd",
	}
	env := map[string]string{}
	for _, pair := range call(func(i *invocation) { i.flow.ProductionToken = "train-0-abcd" }).environment(pod) {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	want := map[string]string{
		"PATH": "/bin", "A": "flow", "B": "step", "C": "pod", "AWS_SECRET_ACCESS_KEY": "k",
		"PYTHONPATH": "/w/metaflow/.mf_code:/image", "PYTHONUNBUFFERED": "1", "TMPDIR": "/w/tmp", "METAFLOW_CLIENT_CACHE_PATH": "/w/tmp/metaflow_client",
		"METAFLOW_EXTRACTED_ROOT": "/w/metaflow", "MILLRACE_SOCKET": "/w/s", "MILLRACE_SDKS": "/w/sdks", "METAFLOW_INIT_SCRIPT": "true",
		"METAFLOW_CODE_URL": "s3://bucket/code", "METAFLOW_CODE_SHA": "abc", "METAFLOW_CODE_DS": "s3",
		"METAFLOW_CODE_METADATA": `{"version": 0, "mfcontent_version": 1}`,
		"METAFLOW_USER":          "kubeflow-pipelines", "METAFLOW_OWNER": "alice", "METAFLOW_PRODUCTION_TOKEN": "train-0-abcd",
		"METAFLOW_RUNTIME_NAME": "kubeflow-pipelines", "METAFLOW_FLOW_NAME": "TrainFlow", "METAFLOW_RUN_ID": "kfp-1",
		"METAFLOW_STEP_NAME": "train", "METAFLOW_TASK_ID": "task-1", "METAFLOW_RETRY_COUNT": "2",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error(diff)
	}
}

func TestInputPaths(t *testing.T) {
	leaf := func(first, last int64, step, suffix string) driverclient.LeafRange {
		return driverclient.LeafRange{First: first, Last: last, Step: step, Prefix: "task-1", Suffix: suffix}
	}
	tests := map[string]struct {
		in            driverclient.Inputs
		want, problem string
	}{
		"one":  {driverclient.Inputs{List: []driverclient.TaskRef{{Step: "_parameters", TaskID: "p"}}}, "kfp-1/_parameters/p", ""},
		"list": {driverclient.Inputs{List: []driverclient.TaskRef{{Step: "a", TaskID: "t"}, {Step: "b", TaskID: "t"}}}, "kfp-1/a/t,kfp-1/b/t", ""},
		"ranges": {
			driverclient.Inputs{Count: 4, Ranges: []driverclient.LeafRange{leaf(0, 1, "x", ""), leaf(2, 2, "y", ""), leaf(3, 3, "x", "-i1")}},
			"kfp-1/x/task-1-0,kfp-1/x/task-1-1,kfp-1/y/task-1-2,kfp-1/x/task-1-3-i1", "",
		},
		"gap":       {driverclient.Inputs{Count: 3, Ranges: []driverclient.LeafRange{leaf(0, 0, "x", ""), leaf(2, 2, "x", "")}}, "", "do not follow"},
		"too few":   {driverclient.Inputs{Count: 3, Ranges: []driverclient.LeafRange{leaf(0, 1, "x", "")}}, "", "2 of 3"},
		"backwards": {driverclient.Inputs{Count: 1, Ranges: []driverclient.LeafRange{leaf(0, -1, "x", "")}}, "", "do not follow"},
		"endless":   {driverclient.Inputs{Count: 1, Ranges: []driverclient.LeafRange{leaf(0, 1<<62, "x", "")}}, "", "do not follow"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := inputPaths("kfp-1", tt.in)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("got %q, %v; want an error with %q", got, err, tt.problem)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
