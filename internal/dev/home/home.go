// Package home is the state directory of a laptop stack: who owns it, where
// each thing lives, the token, and the ports it had last time.
//
//	HOME/token            0600, the one credential of every role
//	HOME/lock             held by the running `driver dev`
//	HOME/dev.json         addresses of the roles, kept over restarts
//	HOME/kfp.db           pipelines and runs      HOME/metadata.db  Metaflow's rows
//	HOME/driver.db        the driver's log        HOME/datastore/   artifacts
//	HOME/secrets/<secret>/<key>                   what secretAsEnv reads
//	HOME/pods/<uid>/      a pod's folder          HOME/logs/<run>/  pods' output
package home

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrBusy means that another `driver dev` runs on the directory.
var ErrBusy = errors.New("another driver dev is running on this home")

// Home is an opened state directory. Close gives it up.
type Home struct {
	Dir   string
	Token string

	lock *os.File
}

// Open makes the directory if need be, takes its lock, and reads or makes the
// token. Only one process at a time can hold a home.
func Open(dir string) (*Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("home %s: %w", dir, err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "pods"), filepath.Join(dir, "logs"), filepath.Join(dir, "datastore"), filepath.Join(dir, "secrets")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make home: %w", err)
		}
	}
	// The home may have been made by hand with wider rights; the token, the
	// secrets and the runs in it are its owner's only.
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("close home to others: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	h := &Home{Dir: dir, lock: lock}
	if h.Token, err = h.readOrMakeToken(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return h, nil
}

// Close gives the lock up.
func (h *Home) Close() error { return h.lock.Close() }

// Path returns a path below the home.
func (h *Home) Path(parts ...string) string {
	return filepath.Join(append([]string{h.Dir}, parts...)...)
}

func (h *Home) readOrMakeToken() (string, error) {
	path := h.Path("token")
	token, err := ReadToken(h.Dir)
	if err == nil {
		return token, os.Chmod(path, 0o600)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	token = hex.EncodeToString(raw)
	return token, WriteFile(path, []byte(token+"\n"))
}

// ReadToken reads the token of a home that is in use.
func ReadToken(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if len(token) < 16 {
		return "", fmt.Errorf("%s/token holds no token; remove it and start driver dev again", dir)
	}
	return token, nil
}

// WriteSecret stores one key of a Kubernetes-like secret, 0600.
func (h *Home) WriteSecret(secret, key, value string) error {
	dir := h.Path("secrets", secret)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make secret %s: %w", secret, err)
	}
	return WriteFile(filepath.Join(dir, key), []byte(value))
}

// Record is dev.json: where the roles of a home can be reached.
type Record struct {
	KFP        string `json:"kfp,omitempty"`
	Metadata   string `json:"metadata,omitempty"`
	Driver     string `json:"driver,omitempty"`
	DriverHTTP string `json:"driver_http,omitempty"`
	// PID is 0 when nothing runs on the home.
	PID int `json:"pid,omitempty"`
	// Instance changes with each start, so that a reader can tell a new
	// process's record from a dead one's.
	Instance string `json:"instance,omitempty"`
	// Roles are those the process serves; another driver may be elsewhere.
	Roles []string `json:"roles,omitempty"`
	Datastore
	LauncherDir string `json:"launcher_dir,omitempty"`
}

// ReadRecord reads dev.json; a home never started has an empty record.
func ReadRecord(dir string) (Record, error) {
	var r Record
	raw, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read dev.json: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", filepath.Join(dir, "dev.json"), err)
	}
	return r, nil
}

// WriteRecord replaces dev.json.
func (h *Home) WriteRecord(r Record) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(h.Path("dev.json"), append(raw, '\n'))
}

// WriteFile replaces a file in one step, readable by its owner only.
func WriteFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
