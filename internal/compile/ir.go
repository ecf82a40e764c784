package compile

import "encoding/json"

// The part of KFP's protos (api/v2alpha1/pipeline_spec.proto and
// kubernetes_executor_config.proto) that is emitted, as their JSON.

// PipelineSpec is the first document.
type PipelineSpec struct {
	SchemaVersion  string               `json:"schemaVersion"`
	SDKVersion     string               `json:"sdkVersion"`
	PipelineInfo   pipelineInfo         `json:"pipelineInfo"`
	DeploymentSpec deploymentSpec       `json:"deploymentSpec"`
	Components     map[string]component `json:"components"`
	Root           component            `json:"root"`
}

type pipelineInfo struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
}

type deploymentSpec struct {
	Executors map[string]executor `json:"executors"`
}

type executor struct {
	Container container `json:"container"`
}

type container struct {
	Image     string     `json:"image"`
	Command   []string   `json:"command"`
	Args      []string   `json:"args"`
	Env       []envVar   `json:"env,omitempty"`
	Resources *resources `json:"resources,omitempty"`
}

type envVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type resources struct {
	CPULimit      string       `json:"resourceCpuLimit,omitempty"`
	MemoryLimit   string       `json:"resourceMemoryLimit,omitempty"`
	CPURequest    string       `json:"resourceCpuRequest,omitempty"`
	MemoryRequest string       `json:"resourceMemoryRequest,omitempty"`
	Accelerator   *accelerator `json:"accelerator,omitempty"`
}

type accelerator struct {
	ResourceType  string `json:"resourceType"`
	ResourceCount string `json:"resourceCount"`
}

type component struct {
	InputDefinitions  *definitions `json:"inputDefinitions,omitempty"`
	OutputDefinitions *definitions `json:"outputDefinitions,omitempty"`
	ExecutorLabel     string       `json:"executorLabel,omitempty"`
	DAG               *dag         `json:"dag,omitempty"`
}

type definitions struct {
	Parameters map[string]parameter `json:"parameters"`
}

type parameter struct {
	ParameterType string          `json:"parameterType"`
	DefaultValue  json.RawMessage `json:"defaultValue,omitempty"`
	IsOptional    bool            `json:"isOptional,omitempty"`
	Description   string          `json:"description,omitempty"`
}

type dag struct {
	Tasks map[string]task `json:"tasks"`
}

type task struct {
	ComponentRef      nameRef            `json:"componentRef"`
	TaskInfo          nameRef            `json:"taskInfo"`
	CachingOptions    struct{}           `json:"cachingOptions"`
	DependentTasks    []string           `json:"dependentTasks,omitempty"`
	Inputs            *inputs            `json:"inputs,omitempty"`
	ParameterIterator *parameterIterator `json:"parameterIterator,omitempty"`
	RetryPolicy       *retryPolicy       `json:"retryPolicy,omitempty"`
	TriggerPolicy     *triggerPolicy     `json:"triggerPolicy,omitempty"`
}

type nameRef struct {
	Name string `json:"name"`
}

type inputs struct {
	Parameters map[string]input `json:"parameters"`
}

// input has one field set.
type input struct {
	ComponentInput string        `json:"componentInputParameter,omitempty"`
	TaskOutput     *taskOutput   `json:"taskOutputParameter,omitempty"`
	RuntimeValue   *runtimeValue `json:"runtimeValue,omitempty"`
	FinalStatus    *producer     `json:"taskFinalStatus,omitempty"`
}

type taskOutput struct {
	ProducerTask string `json:"producerTask"`
	OutputKey    string `json:"outputParameterKey"`
}

type runtimeValue struct {
	Constant string `json:"constant"`
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

type retryPolicy struct {
	MaxRetryCount      int     `json:"maxRetryCount"`
	BackoffDuration    string  `json:"backoffDuration"`
	BackoffFactor      float64 `json:"backoffFactor"`
	BackoffMaxDuration string  `json:"backoffMaxDuration"`
}

type triggerPolicy struct {
	Strategy string `json:"strategy"`
}

// PlatformSpec is the second document.
type PlatformSpec struct {
	Platforms map[string]platform `json:"platforms"`
}

type platform struct {
	DeploymentSpec platformDeployment `json:"deploymentSpec"`
}

type platformDeployment struct {
	Executors map[string]podConfig `json:"executors"`
}

// podConfig is a KubernetesExecutorConfig.
type podConfig struct {
	PodMetadata     podMetadata     `json:"podMetadata"`
	SecretAsEnv     []secretAsEnv   `json:"secretAsEnv,omitempty"`
	FieldPathAsEnv  []fieldPath     `json:"fieldPathAsEnv,omitempty"`
	ImagePullPolicy string          `json:"imagePullPolicy,omitempty"`
	ImagePullSecret []pullSecret    `json:"imagePullSecret,omitempty"`
	NodeSelector    *nodeSelector   `json:"nodeSelector,omitempty"`
	Tolerations     []toleration    `json:"tolerations,omitempty"`
	PVCMount        []pvcMount      `json:"pvcMount,omitempty"`
	EmptyDirMounts  []emptyDirMount `json:"emptyDirMounts,omitempty"`
}

type podMetadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type secretAsEnv struct {
	SecretName string     `json:"secretName"`
	KeyToEnv   []keyToEnv `json:"keyToEnv"`
}

type keyToEnv struct {
	SecretKey string `json:"secretKey"`
	EnvVar    string `json:"envVar"`
}

type fieldPath struct {
	Name      string `json:"name"`
	FieldPath string `json:"fieldPath"`
}

type pullSecret struct {
	SecretName string `json:"secretName"`
}

type nodeSelector struct {
	Labels map[string]string `json:"labels"`
}

type toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
	// Seconds is an int64, which protojson reads as a string too.
	Seconds *int64 `json:"tolerationSeconds,omitempty,string"`
}

type pvcMount struct {
	Constant  string `json:"constant"`
	MountPath string `json:"mountPath"`
}

type emptyDirMount struct {
	VolumeName string `json:"volumeName"`
	MountPath  string `json:"mountPath"`
	Medium     string `json:"medium,omitempty"`
	SizeLimit  string `json:"sizeLimit,omitempty"`
}
