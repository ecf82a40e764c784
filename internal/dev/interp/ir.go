package interp

import "encoding/json"

// The part of KFP's protos that is modelled. Decoding refuses every other
// field by name; a field that is here and not read changes nothing on one
// machine (an image, a resource limit, a placement).

type pipelineSpec struct {
	SchemaVersion  string               `json:"schemaVersion"`
	SDKVersion     string               `json:"sdkVersion"`
	PipelineInfo   pipelineInfo         `json:"pipelineInfo"`
	DeploymentSpec deploymentSpec       `json:"deploymentSpec"`
	Components     map[string]component `json:"components"`
	Root           component            `json:"root"`
}

type pipelineInfo struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

type deploymentSpec struct {
	Executors map[string]executor `json:"executors"`
}

type executor struct {
	Container *container `json:"container"`
}

type container struct {
	Image     string    `json:"image"`
	Command   []string  `json:"command"`
	Args      []string  `json:"args"`
	Env       []envVar  `json:"env"`
	Resources resources `json:"resources"`
}

type envVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type resources struct {
	CPULimit      string          `json:"resourceCpuLimit"`
	MemoryLimit   string          `json:"resourceMemoryLimit"`
	CPURequest    string          `json:"resourceCpuRequest"`
	MemoryRequest string          `json:"resourceMemoryRequest"`
	Accelerator   json.RawMessage `json:"accelerator"`
}

type component struct {
	InputDefinitions  definitions `json:"inputDefinitions"`
	OutputDefinitions definitions `json:"outputDefinitions"`
	ExecutorLabel     string      `json:"executorLabel"`
	DAG               *dag        `json:"dag"`
}

type definitions struct {
	Parameters map[string]parameter `json:"parameters"`
}

type parameter struct {
	ParameterType string          `json:"parameterType"`
	DefaultValue  json.RawMessage `json:"defaultValue"`
	IsOptional    bool            `json:"isOptional"`
	Description   string          `json:"description"`
}

type dag struct {
	Tasks map[string]*task `json:"tasks"`
}

type task struct {
	ComponentRef      nameRef            `json:"componentRef"`
	TaskInfo          nameRef            `json:"taskInfo"`
	CachingOptions    cachingOptions     `json:"cachingOptions"`
	DependentTasks    []string           `json:"dependentTasks"`
	Inputs            inputs             `json:"inputs"`
	ParameterIterator *parameterIterator `json:"parameterIterator"`
	IteratorPolicy    iteratorPolicy     `json:"iteratorPolicy"`
	RetryPolicy       *retryPolicy       `json:"retryPolicy"`
	TriggerPolicy     triggerPolicy      `json:"triggerPolicy"`
}

type cachingOptions struct {
	EnableCache bool `json:"enableCache"`
}

type nameRef struct {
	Name string `json:"name"`
}

type inputs struct {
	Parameters map[string]input `json:"parameters"`
}

// input has one field set.
type input struct {
	ComponentInput string        `json:"componentInputParameter"`
	TaskOutput     *taskOutput   `json:"taskOutputParameter"`
	RuntimeValue   *runtimeValue `json:"runtimeValue"`
	FinalStatus    *producer     `json:"taskFinalStatus"`
}

type taskOutput struct {
	ProducerTask string `json:"producerTask"`
	OutputKey    string `json:"outputParameterKey"`
}

type runtimeValue struct {
	Constant json.RawMessage `json:"constant"`
}

type producer struct {
	ProducerTask string `json:"producerTask"`
}

type parameterIterator struct {
	Items     itemsSpec `json:"items"`
	ItemInput string    `json:"itemInput"`
}

type itemsSpec struct {
	InputParameter string `json:"inputParameter"`
}

type iteratorPolicy struct {
	ParallelismLimit int `json:"parallelismLimit"`
}

type retryPolicy struct {
	MaxRetryCount      int      `json:"maxRetryCount"`
	BackoffDuration    duration `json:"backoffDuration"`
	BackoffFactor      float64  `json:"backoffFactor"`
	BackoffMaxDuration duration `json:"backoffMaxDuration"`
}

type triggerPolicy struct {
	Strategy string `json:"strategy"`
}

type platformSpec struct {
	Platforms map[string]platform `json:"platforms"`
}

type platform struct {
	DeploymentSpec struct {
		Executors map[string]podConfig `json:"executors"`
	} `json:"deploymentSpec"`
}

// podConfig is a KubernetesExecutorConfig.
type podConfig struct {
	PodMetadata     podMetadata     `json:"podMetadata"`
	SecretAsEnv     []secretAsEnv   `json:"secretAsEnv"`
	FieldPathAsEnv  []fieldPath     `json:"fieldPathAsEnv"`
	ImagePullPolicy string          `json:"imagePullPolicy"`
	ImagePullSecret json.RawMessage `json:"imagePullSecret"`
	NodeSelector    json.RawMessage `json:"nodeSelector"`
	Tolerations     json.RawMessage `json:"tolerations"`
	EmptyDirMounts  []emptyDirMount `json:"emptyDirMounts"`
}

type podMetadata struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type secretAsEnv struct {
	SecretName string     `json:"secretName"`
	KeyToEnv   []keyToEnv `json:"keyToEnv"`
	Optional   bool       `json:"optional"`
}

type keyToEnv struct {
	SecretKey string `json:"secretKey"`
	EnvVar    string `json:"envVar"`
}

type fieldPath struct {
	Name      string `json:"name"`
	FieldPath string `json:"fieldPath"`
}

type emptyDirMount struct {
	VolumeName string `json:"volumeName"`
	MountPath  string `json:"mountPath"`
	Medium     string `json:"medium"`
	SizeLimit  string `json:"sizeLimit"`
}
