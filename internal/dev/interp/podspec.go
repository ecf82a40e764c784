package interp

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/dev/pod"
)

const (
	logLimit = 64 << 20
	// grace is what a pod has after SIGTERM under KFP, whose launcher dies of
	// the signal and takes the container with it.
	grace = 300 * time.Millisecond
)

// Surroundings are what a pod gets from the machine rather than from its
// pipeline.
type Surroundings struct {
	// Python is the interpreter of pods; empty: the one the pipeline names.
	Python string
	// Path are folders on a pod's PATH, after that of Python.
	Path []string
	// Env are further variables of every pod, NAME=VALUE.
	Env []string
}

// pythonAnnotation is where the compiler writes the interpreter that deployed
// the flow.
const pythonAnnotation = "millrace/python"

// podAddress is the field path of a pod's own address.
const podAddress = "status.podIP"

// podIdentity answers fieldPathAsEnv.
type podIdentity struct {
	uid, name string
	config    podConfig
}

func (i podIdentity) field(fieldPath string) (string, bool) {
	switch fieldPath {
	case "metadata.name":
		return i.name, true
	case "metadata.uid":
		return i.uid, true
	case "metadata.namespace", "spec.serviceAccountName":
		return "default", true
	case "spec.nodeName":
		return "localhost", true
	case "status.hostIP", podAddress:
		return "127.0.0.1", true
	}
	for prefix, of := range map[string]map[string]string{
		"metadata.annotations": i.config.PodMetadata.Annotations, "metadata.labels": i.config.PodMetadata.Labels,
	} {
		if key, ok := strings.CutPrefix(fieldPath, prefix+"['"); ok {
			return of[strings.TrimSuffix(key, "']")], strings.HasSuffix(key, "']")
		}
	}
	return "", false
}

// outputFiles returns where a component's outputs are written in a pod's
// folder.
func outputFiles(c *component, folder string) map[string]string {
	out := map[string]string{}
	for name := range c.OutputDefinitions.Parameters {
		out[name] = filepath.Join(folder, "outputs", name)
	}
	return out
}

// podSpec makes the container of a node's pod, as KFP's driver, its launcher
// and the kubelet do together.
func (e *Engine) podSpec(m *machine, n *Node) (pod.Spec, error) {
	t := m.task(n)
	c := m.component(t)
	box := m.p.spec.DeploymentSpec.Executors[c.ExecutorLabel].Container
	config := m.p.pods[c.ExecutorLabel]
	folder := e.podFolder(n.UID)
	env, lookup, err := e.environment(podIdentity{n.UID, n.Name, config}, box, folder, t.RetryPolicy != nil, n.Retry)
	if err != nil {
		return pod.Spec{}, err
	}
	files := outputFiles(c, folder)
	whole, err := executorInput(n.Inputs, files, filepath.Join(folder, "outputs", "output_metadata.json"))
	if err != nil {
		return pod.Spec{}, err
	}
	var argv []string
	for _, arg := range slices.Concat(box.Command, box.Args) {
		// The container is an argument of KFP's driver pod, then one of its own.
		arg, err := fill(kubeExpand(arg, driverPod), n.Inputs, files, whole)
		if err != nil {
			return pod.Spec{}, err
		}
		argv = append(argv, kubeExpand(arg, lookup))
	}
	for _, dir := range []string{folder, filepath.Join(folder, "tmp"), filepath.Join(folder, "outputs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return pod.Spec{}, fmt.Errorf("make the pod's folder: %w", err)
		}
	}
	return pod.Spec{
		UID: n.UID, Argv: argv, Env: env, Dir: folder, ExitFile: e.exitFile(n.UID), Grace: grace, LogLimit: logLimit,
		LogFile: filepath.Join(e.cfg.Dir, "logs", m.r.ID, n.Name+".log"),
	}, nil
}

// environment is a container's: its own variables, its secrets, its identity,
// and where it finds its programs. Nothing else of ours gets in.
func (e *Engine) environment(id podIdentity, box *container, folder string, retried bool, index int) ([]string, map[string]string, error) {
	vars := map[string]string{
		"HOME": folder, "TMPDIR": filepath.Join(folder, "tmp"), "LANG": "C.UTF-8",
		"PATH": e.searchPath(id.config), "KFP_POD_NAME": id.name, "KFP_POD_UID": id.uid,
	}
	for _, entry := range e.cfg.Surroundings.Env {
		name, value, _ := strings.Cut(entry, "=")
		vars[name] = value
	}
	if retried {
		vars["KFP_RETRY_INDEX"] = strconv.Itoa(index)
	}
	for _, s := range id.config.SecretAsEnv {
		for _, k := range s.KeyToEnv {
			raw, err := os.ReadFile(filepath.Join(e.cfg.Dir, "secrets", s.SecretName, k.SecretKey))
			if errors.Is(err, fs.ErrNotExist) && s.Optional {
				continue
			}
			if err != nil {
				return nil, nil, fmt.Errorf("secret %s/%s of the pod: %w", s.SecretName, k.SecretKey, err)
			}
			vars[k.EnvVar] = string(raw)
		}
	}
	for _, f := range id.config.FieldPathAsEnv {
		vars[f.Name], _ = id.field(f.FieldPath) // checked when it was uploaded
	}
	for _, v := range box.Env {
		vars[v.Name] = kubeExpand(kubeExpand(v.Value, driverPod), vars)
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env, vars, nil
}

func (e *Engine) searchPath(config podConfig) string {
	python := e.cfg.Surroundings.Python
	if python == "" {
		python = config.PodMetadata.Annotations[pythonAnnotation]
	}
	var folders []string
	if filepath.IsAbs(python) {
		folders = append(folders, filepath.Dir(python))
	}
	folders = append(folders, e.cfg.Surroundings.Path...)
	folders = append(folders, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	return strings.Join(folders, string(filepath.ListSeparator))
}

// readOutputs reads what a container declared and had to write.
func (e *Engine) readOutputs(c *component, uid string) (Values, error) {
	out := Values{}
	for name, file := range outputFiles(c, e.podFolder(uid)) {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("failed to read output parameter %s: %w", name, err)
		}
		value, err := parseOutput(c.OutputDefinitions.Parameters[name].ParameterType, raw)
		if err != nil {
			return nil, fmt.Errorf("output parameter %s: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

func (e *Engine) podFolder(uid string) string { return filepath.Join(e.cfg.Dir, "pods", uid) }

func (e *Engine) exitFile(uid string) string { return e.podFolder(uid) + ".exit" }
