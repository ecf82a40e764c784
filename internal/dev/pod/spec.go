package pod

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Spec is one container to run. It may hold secrets: it travels on the
// supervisor's stdin and is never written down.
type Spec struct {
	UID string `json:"uid"`
	// Argv is the command with its arguments; Argv[0] is looked up on the
	// PATH of Env.
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	// Dir is the pod's folder: working folder, HOME and TMPDIR.
	Dir string `json:"dir"`
	// LogFile receives stdout and stderr, at most LogLimit bytes of them.
	LogFile  string `json:"log_file"`
	LogLimit int64  `json:"log_limit"`
	// ExitFile receives the Exit.
	ExitFile string `json:"exit_file"`
	// Grace is from SIGTERM to SIGKILL.
	Grace time.Duration `json:"grace"`
}

// Exit is how a container ended.
type Exit struct {
	// Code is the exit code; 128 + signal for a signal, as a kubelet says it.
	Code    int       `json:"code"`
	Message string    `json:"message,omitempty"`
	EndedAt time.Time `json:"ended_at"`
	// Left counts the processes the container left, all killed.
	Left int `json:"left,omitempty"`
}

// ReadExit reads an ending; ok is false when there is none, which after the
// supervisor's death means that nobody knows how the pod ended.
func ReadExit(path string) (exit Exit, ok bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Exit{}, false, nil
	}
	if err != nil {
		return Exit{}, false, fmt.Errorf("read ending of pod: %w", err)
	}
	if err := json.Unmarshal(raw, &exit); err != nil {
		return Exit{}, false, fmt.Errorf("read ending of pod %s: %w", path, err)
	}
	return exit, true, nil
}
