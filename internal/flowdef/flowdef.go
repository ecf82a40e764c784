// Package flowdef is the flow as deployed: the FlowDefinition document that
// the extension writes at `create`, the driver compiles and schedules from,
// and launchers read to run tasks. It is JSON, stored once per deployment as
// a raw content-addressed object beside the code package and referred to by
// URL and SHA-256, so a run always sees the definition it was deployed with.
//
// The document holds no secret.
package flowdef

import "encoding/json"

// Schema is the version of the document that this build writes and reads.
const Schema = 1

// Definition is one deployed flow.
type Definition struct {
	// Schema is the document's version; any other than Schema is refused.
	Schema int `json:"schema"`
	// Flow is the Metaflow class name, Pipeline the KFP pipeline's name.
	Flow     string `json:"flow"`
	Pipeline string `json:"pipeline"`
	// Script is the flow file's base name, argv[0] of every task.
	Script string `json:"script"`
	// StartStep and EndStep may have any name.
	StartStep string `json:"start_step"`
	EndStep   string `json:"end_step"`
	// Steps are in topological order as Metaflow sorts them.
	Steps      []Step      `json:"steps"`
	Parameters []Parameter `json:"parameters"`

	CodePackage CodePackage `json:"code_package"`
	Datastore   Datastore   `json:"datastore"`

	// TopOptions are options before the sub-command that every task's command
	// line repeats (--environment=..., --branch=..., --with is per step).
	TopOptions []string `json:"top_options"`
	// Environment is what every task's process gets besides the pod's own:
	// METAFLOW_* settings. Never a secret.
	Environment map[string]string `json:"environment"`

	// SystemTags are those Metaflow gives objects of this deployment (runtime:,
	// metaflow_version:, python_version:, user: or production:, project:).
	SystemTags []string `json:"system_tags"`
	// Tags are user tags given at create; Namespace is --namespace.
	Tags      []string `json:"tags"`
	Namespace string   `json:"namespace,omitempty"`
	// Owner is METAFLOW_USER of the deployment.
	Owner string `json:"owner"`
	// ProductionToken makes the identity production:<token>.
	ProductionToken string `json:"production_token,omitempty"`

	// Python is the interpreter that deployed the flow; the laptop stack puts
	// its folder first on a pod's PATH.
	Python          string `json:"python"`
	MetaflowVersion string `json:"metaflow_version"`

	// MaxWorkers bounds the pods of one pool, MaxSplits the width of one
	// foreach.
	MaxWorkers int   `json:"max_workers"`
	MaxSplits  int64 `json:"max_splits"`
}

// StepType is Metaflow's node type (graph.py).
type StepType string

// The node types Metaflow's graph has.
const (
	Start         StepType = "start"
	Linear        StepType = "linear"
	Join          StepType = "join"
	End           StepType = "end"
	SplitStatic   StepType = "split-static"
	SplitForeach  StepType = "split-foreach"
	SplitSwitch   StepType = "split-switch"
	SplitParallel StepType = "split-parallel"
)

// Step is one node of the graph with what its decorators ask for.
type Step struct {
	Name string `json:"name"`
	// Type says how the step hands on; a start step that fans out has the
	// type of its fan-out, as in Metaflow's _graph_info.
	Type StepType `json:"type"`
	// Join is true when the step takes inputs, also when it splits again.
	Join bool     `json:"join,omitempty"`
	Next []string `json:"next"`
	// SplitParents are the enclosing splits, outermost first.
	SplitParents []string `json:"split_parents,omitempty"`
	MatchingJoin string   `json:"matching_join,omitempty"`
	// ForeachVar is empty too when the source does not say it literally.
	ForeachVar string `json:"foreach_var,omitempty"`
	Condition  string `json:"condition,omitempty"`
	// SwitchCases maps each case, as JSON text, to its step.
	SwitchCases map[string]string `json:"switch_cases,omitempty"`
	// Parallel is true for a step of type @parallel (a gang's members).
	Parallel bool `json:"parallel,omitempty"`

	Retry     Retry     `json:"retry"`
	Resources Resources `json:"resources"`
	// TimeoutSeconds of @timeout; 0 is none.
	TimeoutSeconds int64 `json:"timeout_seconds,omitempty"`
	// Environment is @environment's variables.
	Environment map[string]string `json:"environment,omitempty"`
	// With holds the decorator specs not written in the source.
	With []string `json:"with,omitempty"`
	// Executable is what starts Python (environment.executable), Bootstrap
	// the commands to run before it.
	Executable string   `json:"executable"`
	Bootstrap  []string `json:"bootstrap,omitempty"`
}

// Retry is a step's attempt arithmetic, read from its decorators.
type Retry struct {
	// UserRetries is the largest user_code_retries of the decorators,
	// ErrorRetries the largest error_retries (@catch: its fallback).
	UserRetries  int `json:"user_retries"`
	ErrorRetries int `json:"error_retries"`
	// DelaySeconds is @retry's minutes_between_retries.
	DelaySeconds int64 `json:"delay_seconds"`
}

// Resources is a step's pod shape. Quantities are Kubernetes quantities;
// empty means KFP's default.
type Resources struct {
	Image        string            `json:"image,omitempty"`
	CPU          string            `json:"cpu,omitempty"`
	CPULimit     string            `json:"cpu_limit,omitempty"`
	Memory       string            `json:"memory,omitempty"`
	MemoryLimit  string            `json:"memory_limit,omitempty"`
	GPU          string            `json:"gpu,omitempty"`
	GPUType      string            `json:"gpu_type,omitempty"`
	SharedMemory string            `json:"shared_memory,omitempty"`
	TmpfsSize    string            `json:"tmpfs_size,omitempty"`
	TmpfsPath    string            `json:"tmpfs_path,omitempty"`
	PullPolicy   string            `json:"image_pull_policy,omitempty"`
	PullSecrets  []string          `json:"image_pull_secrets,omitempty"`
	NodeSelector map[string]string `json:"node_selector,omitempty"`
	Tolerations  []Toleration      `json:"tolerations,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// PersistentVolumeClaims maps claim name to mount path.
	PersistentVolumeClaims map[string]string `json:"persistent_volume_claims,omitempty"`
	// Unsupported names the decorator attributes that were set and that KFP
	// cannot carry; the compiler refuses them by name.
	Unsupported []string `json:"unsupported,omitempty"`
}

// Toleration is a Kubernetes toleration.
type Toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
	Seconds  *int64 `json:"toleration_seconds,omitempty"`
}

// Parameter is one flow parameter, its default resolved at deploy time.
type Parameter struct {
	Name string `json:"name"`
	// Type is str, int, float, bool or json.
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
	Help     string `json:"help,omitempty"`
	// Default is the exact JSON value (null is None); absent when there is
	// none, which only a required parameter may have.
	Default json.RawMessage `json:"default,omitempty"`
}

// CodePackage is the package every task runs from.
type CodePackage struct {
	URL string `json:"url"`
	// SHA1 is Metaflow's content key, SHA256 what the launcher verifies;
	// both over the archive's bytes, in hex.
	SHA1   string `json:"sha1"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Metadata is METAFLOW_CODE_METADATA, a JSON text.
	Metadata string `json:"metadata"`
}

// Datastore is where artifacts go.
type Datastore struct {
	// Type is Metaflow's: local, s3, gs, azure.
	Type string `json:"type"`
	// Root is the full root, METAFLOW's --datastore-root.
	Root string `json:"root"`
}

// Step returns the step of that name.
func (d *Definition) Step(name string) (*Step, bool) {
	for i := range d.Steps {
		if d.Steps[i].Name == name {
			return &d.Steps[i], true
		}
	}
	return nil, false
}
