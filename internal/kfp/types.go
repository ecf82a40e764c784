package kfp

import (
	"encoding/json"
	"time"
)

// Health is what the server says of itself.
type Health struct {
	CommitSHA string `json:"commit_sha"`
	TagName   string `json:"tag_name"`
	MultiUser bool   `json:"multi_user"`
}

// Pipeline is a named pipeline; its content is in its versions.
type Pipeline struct {
	ID          string    `json:"pipeline_id"`
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	Namespace   string    `json:"namespace"`
	CreatedAt   time.Time `json:"created_at"`
}

// Version is one uploaded document.
type Version struct {
	PipelineID  string    `json:"pipeline_id"`
	ID          string    `json:"pipeline_version_id"`
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
	// Spec is {pipeline_spec, platform_spec} when a platform document was
	// uploaded too, else the pipeline's alone.
	Spec json.RawMessage `json:"pipeline_spec"`
}

// Title is the name people gave the version.
func (v *Version) Title() string {
	if v.DisplayName != "" {
		return v.DisplayName
	}
	return v.Name
}

// Experiment groups runs; on a multi-user server it names their namespace.
type Experiment struct {
	ID          string `json:"experiment_id"`
	DisplayName string `json:"display_name"`
	Namespace   string `json:"namespace"`
}

// NewRun asks for a run of a version.
type NewRun struct {
	DisplayName    string           `json:"display_name"`
	Description    string           `json:"description,omitempty"`
	ExperimentID   string           `json:"experiment_id,omitempty"`
	Version        VersionReference `json:"pipeline_version_reference"`
	Runtime        RuntimeConfig    `json:"runtime_config"`
	ServiceAccount string           `json:"service_account,omitempty"`
}

// VersionReference names a version.
type VersionReference struct {
	PipelineID string `json:"pipeline_id"`
	VersionID  string `json:"pipeline_version_id"`
}

// RuntimeConfig holds a run's root inputs, each as JSON of its type.
type RuntimeConfig struct {
	Parameters map[string]json.RawMessage `json:"parameters,omitempty"`
}

// Run is a run as KFP sees it.
type Run struct {
	ID           string    `json:"run_id"`
	DisplayName  string    `json:"display_name"`
	ExperimentID string    `json:"experiment_id"`
	State        string    `json:"state"`
	CreatedAt    time.Time `json:"created_at"`
	FinishedAt   time.Time `json:"finished_at"`
	Error        *struct {
		Message string `json:"message"`
	} `json:"error"`
	Details struct {
		Tasks []Task `json:"task_details"`
	} `json:"run_details"`
}

// Task is one task of a run.
type Task struct {
	DisplayName string `json:"display_name"`
	State       string `json:"state"`
	PodName     string `json:"pod_name"`
}

// Ended says whether the run's state is final.
func (r *Run) Ended() bool {
	switch r.State {
	case "SUCCEEDED", "SKIPPED", "FAILED", "CANCELED":
		return true
	}
	return false
}
