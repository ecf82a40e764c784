package compile

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// fetchScript is what `--launcher fetch` runs with the image's own python.
//
//go:embed fetch.py
var fetchScript string

// container is the container of one verb of the launcher. Its arguments are
// unique per step: KFP takes two components with equal containers for one.
func (c *compiler) container(image string, verb ...string) container {
	args := append(slices.Clone(verb),
		"--definition", c.cfg.DefinitionURL,
		"--definition-sha256", c.cfg.DefinitionSHA256,
		"--executor-input", "{{$}}")
	out := container{Image: image, Command: []string{"launcher"}, Args: args, Env: c.env}
	if c.cfg.Launcher == Fetch {
		// -I: neither PYTHON* variables nor files of the image's working
		// folder change what the script imports.
		out.Command = []string{"python", "-I", "-c", fetchScript}
		out.Args = append([]string{c.cfg.FetchURL, pins(c.cfg.Pins)}, args...)
	}
	return out
}

func pins(m map[string]string) string {
	var out []string
	for _, arch := range slices.Sorted(maps.Keys(m)) {
		out = append(out, arch+"="+m[arch])
	}
	return strings.Join(out, ",")
}

// environment is what every container gets.
func environment(d *flowdef.Definition, cfg *Config) ([]envVar, error) {
	vars := maps.Clone(cfg.Environment)
	if vars == nil {
		vars = map[string]string{}
	}
	vars["MILLRACE_DRIVER"] = cfg.Driver
	// The launcher needs them before it can read the definition.
	for _, endpoint := range []string{"METAFLOW_S3_ENDPOINT_URL", "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"} {
		v := d.Environment[endpoint]
		if v == "" || vars[endpoint] != "" {
			continue
		}
		if !Literal(v) {
			return nil, &ConfigError{endpoint, fmt.Sprintf("%q would be changed by Kubernetes or Argo on its way ($$, $(…) or {{)", v)}
		}
		vars[endpoint] = v
	}
	out := make([]envVar, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, envVar{name, vars[name]})
	}
	return out, nil
}

// image is the step's, else the flow's, else the one Metaflow would take: the
// Python image of the version that deployed the flow.
func image(d *flowdef.Definition, cfg *Config, s *flowdef.Step) (string, error) {
	out := s.Resources.Image
	if out == "" {
		out = cfg.Image
	}
	if out == "" {
		out = "python:3"
		for _, tag := range d.SystemTags {
			if version, ok := strings.CutPrefix(tag, "python_version:"); ok {
				if major, rest, ok := strings.Cut(version, "."); ok {
					minor, _, _ := strings.Cut(rest, ".")
					out = "python:" + major + "." + minor
				}
			}
		}
	}
	if !Literal(out) {
		return "", &UnsupportedError{Step: s.Name, Feature: fmt.Sprintf("the image name %q: KFP, Argo or Kubernetes would expand it", out)}
	}
	return out, nil
}

// stepResources is a step's resources; nil means KFP's default.
func stepResources(r *flowdef.Resources) *resources {
	out := resources{CPULimit: r.CPULimit, MemoryLimit: r.MemoryLimit, CPURequest: r.CPU, MemoryRequest: r.Memory}
	if n, err := strconv.Atoi(r.GPU); r.GPU != "" && (err != nil || n != 0) {
		kind := r.GPUType
		switch {
		case kind == "":
			kind = "nvidia.com/gpu"
		case !strings.Contains(kind, "/"):
			kind += ".com/gpu"
		}
		out.Accelerator = &accelerator{ResourceType: kind, ResourceCount: r.GPU}
	}
	if out == (resources{}) {
		return nil
	}
	return &out
}

// gateResources suffice for a launcher that only asks and waits.
func gateResources() *resources { return &resources{CPURequest: "0.1", MemoryRequest: "128Mi"} }

// basePod is what every pod has: the secrets, the python of the deployment
// for the laptop stack, and the request not to be evicted, since a pod that
// vanishes can leave KFP's view of a pool beyond repair.
func (c *compiler) basePod() podConfig {
	out := podConfig{PodMetadata: podMetadata{Annotations: map[string]string{
		"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
		"karpenter.sh/do-not-disrupt":                    "true",
	}}}
	if Literal(c.def.Python) {
		out.PodMetadata.Annotations["millrace/python"] = c.def.Python
	}
	for _, s := range c.cfg.Secrets {
		i := slices.IndexFunc(out.SecretAsEnv, func(e secretAsEnv) bool { return e.SecretName == s.Secret })
		if i < 0 {
			i = len(out.SecretAsEnv)
			out.SecretAsEnv = append(out.SecretAsEnv, secretAsEnv{SecretName: s.Secret})
		}
		out.SecretAsEnv[i].KeyToEnv = append(out.SecretAsEnv[i].KeyToEnv, keyToEnv{s.Key, s.Variable})
	}
	return out
}

// controlPod is the pod of a gate, verify and finally. They share the start
// step's image, and so its pull settings.
func (c *compiler) controlPod() podConfig {
	out := c.basePod()
	pull(&out, &c.def.Steps[0].Resources)
	return out
}

func pull(out *podConfig, r *flowdef.Resources) {
	out.ImagePullPolicy = r.PullPolicy
	for _, name := range r.PullSecrets {
		out.ImagePullSecret = append(out.ImagePullSecret, pullSecret{name})
	}
}

// stepPod carries the step's decorators.
func (c *compiler) stepPod(n *node) (podConfig, error) {
	s, r := n.step, &n.step.Resources
	out := c.basePod()
	pull(&out, r)
	maps.Copy(out.PodMetadata.Annotations, r.Annotations)
	out.PodMetadata.Labels = r.Labels
	for _, texts := range []map[string]string{r.Labels, r.Annotations, r.NodeSelector, r.PersistentVolumeClaims} {
		for k, v := range texts {
			if !Literal(k) || !Literal(v) {
				return out, &UnsupportedError{Step: s.Name, Feature: fmt.Sprintf("%q: %q: KFP, Argo or Kubernetes would expand it", k, v)}
			}
		}
	}
	// What Metaflow's own Kubernetes pods say of themselves.
	out.FieldPathAsEnv = []fieldPath{
		{"METAFLOW_KUBERNETES_POD_NAME", "metadata.name"},
		{"METAFLOW_KUBERNETES_POD_ID", "metadata.uid"},
		{"METAFLOW_KUBERNETES_POD_NAMESPACE", "metadata.namespace"},
		{"METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME", "spec.serviceAccountName"},
		{"METAFLOW_KUBERNETES_NODE_IP", "status.hostIP"},
	}
	if n.gang {
		// Where the other members of the gang reach this one.
		out.FieldPathAsEnv = append(out.FieldPathAsEnv, fieldPath{"MILLRACE_POD_IP", "status.podIP"})
	}
	if len(r.NodeSelector) > 0 {
		out.NodeSelector = &nodeSelector{r.NodeSelector}
	}
	for _, t := range r.Tolerations {
		out.Tolerations = append(out.Tolerations, toleration{t.Key, t.Operator, t.Value, t.Effect, t.Seconds})
	}
	for _, claim := range slices.Sorted(maps.Keys(r.PersistentVolumeClaims)) {
		out.PVCMount = append(out.PVCMount, pvcMount{claim, r.PersistentVolumeClaims[claim]})
	}
	if r.SharedMemory != "" {
		out.EmptyDirMounts = append(out.EmptyDirMounts, emptyDirMount{"millrace-shm", "/dev/shm", "Memory", r.SharedMemory})
	}
	if r.TmpfsSize != "" {
		path := r.TmpfsPath
		if path == "" {
			path = "/metaflow_temp"
		}
		out.EmptyDirMounts = append(out.EmptyDirMounts, emptyDirMount{"millrace-tmpfs", path, "Memory", r.TmpfsSize})
	}
	return out, nil
}
