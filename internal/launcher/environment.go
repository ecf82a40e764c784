package launcher

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// defaultUser is METAFLOW_USER where the deployment names none.
const defaultUser = "kubeflow-pipelines"

// withheld are variables of the pod that no task may see: our secrets, the
// credential of the metadata service (the task reaches it through us), and
// what would make Metaflow register the pod a second time. A name that ends in
// "*" stands for all that begin so.
var withheld = []string{
	"MILLRACE_TOKEN*", "MILLRACE_FAILPOINT*", "METAFLOW_SERVICE_HEADERS", "METAFLOW_SERVICE_AUTH_KEY",
	"METAFLOW_KUBERNETES_WORKLOAD", "METAFLOW_INIT_*",
}

func isWithheld(name string) bool {
	return slices.ContainsFunc(withheld, func(w string) bool {
		prefix, all := strings.CutSuffix(w, "*")
		return name == w || all && strings.HasPrefix(name, prefix) && name != "METAFLOW_INIT_SCRIPT"
	})
}

// environment is a task's: the pod's, then the deployment's and the step's
// settings, then what we know better.
func (i invocation) environment(pod []string) []string {
	env := map[string]string{}
	for _, pair := range pod {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	maps.Copy(env, i.flow.Environment)
	maps.Copy(env, i.step.Environment)
	maps.DeleteFunc(env, func(name, _ string) bool { return isWithheld(name) })
	if env["METAFLOW_USER"] == "" {
		env["METAFLOW_USER"] = defaultUser
	}
	if env["METAFLOW_OWNER"] == "" {
		env["METAFLOW_OWNER"] = i.flow.Owner
	}
	maps.Copy(env, i.known(env["PYTHONPATH"]))
	if g := i.task.Gang; g != nil {
		maps.DeleteFunc(env, func(name, _ string) bool { return slices.Contains(gangRoles, name) })
		maps.Copy(env, gangEnvironment(g, i.members()))
	}
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func (i invocation) known(pythonPath string) map[string]string {
	path := filepath.Join(i.space.Dir, i.codeDir)
	if pythonPath != "" {
		path += string(filepath.ListSeparator) + pythonPath
	}
	out := map[string]string{
		"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TMPDIR": i.space.TempDir,
		// Metaflow's client caches below /tmp, where it would outlive the task.
		"METAFLOW_CLIENT_CACHE_PATH": filepath.Join(i.space.TempDir, "metaflow_client"),
		"METAFLOW_EXTRACTED_ROOT":    i.space.Dir, "MILLRACE_SOCKET": i.space.SocketPath, "MILLRACE_SDKS": i.sdks,

		"METAFLOW_CODE_URL": i.flow.CodePackage.URL, "METAFLOW_CODE_SHA": i.flow.CodePackage.SHA1,
		"METAFLOW_CODE_DS": i.flow.Datastore.Type, "METAFLOW_CODE_METADATA": i.flow.CodePackage.Metadata,

		"METAFLOW_RUNTIME_NAME": "kubeflow-pipelines",
		"METAFLOW_FLOW_NAME":    i.flow.Flow, "METAFLOW_RUN_ID": i.run, "METAFLOW_STEP_NAME": i.task.Ref.Step,
		"METAFLOW_TASK_ID": i.task.Ref.TaskID, "METAFLOW_RETRY_COUNT": strconv.Itoa(i.attempt),
	}
	if i.flow.ProductionToken != "" {
		out["METAFLOW_PRODUCTION_TOKEN"] = i.flow.ProductionToken
	}
	return out
}
