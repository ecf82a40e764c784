// Package dev is the laptop stack: one process that serves what a cluster
// would (Kubeflow Pipelines' API and an interpreter of its pipelines, the
// driver, Metaflow's metadata service) to the very commands and launchers of
// production.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/dev/home"
	"github.com/millrace/millrace/internal/driver/launchers"
	"github.com/millrace/millrace/internal/driver/serve"
)

// The roles a process can serve.
const (
	RoleKFP      = "kfp"
	RoleMetadata = "metadata"
	RoleDriver   = "driver"
)

// What becomes of a vanished pod.
const (
	VanishRemake = "remake"
	VanishError  = "error"
)

// Config is what `driver dev` was started with.
type Config struct {
	Home  string
	Roles []string
	// Driver and DriverHTTP name an external driver when Roles has none.
	Driver, DriverHTTP string
	// Slots caps running pods.
	Slots int
	// Vanish is remake or error.
	Vanish string
	// Datastore is where artifacts are kept; its zero value is a folder in Home.
	Datastore   home.Datastore
	LauncherDir string
	// Python is the interpreter of all pods; empty: that of the deployment.
	Python string
	// PodProxy gives each pod its own way to the driver, which can be cut.
	PodProxy bool
	// Serve has the driver's policy and limits; where it serves what is the
	// stack's affair.
	Serve serve.Config
	// Environ is our own environment. Pods get the credentials of the
	// datastore out of it, and nothing else.
	Environ []string

	Stdout, Stderr io.Writer
}

// check names the first setting that cannot work.
func (c *Config) check() error {
	if c.Home == "" {
		return errors.New("the home is missing: set --home or MILLRACE_HOME to a folder for the stack's state")
	}
	for _, role := range c.Roles {
		if role != RoleKFP && role != RoleMetadata && role != RoleDriver {
			return fmt.Errorf("--roles: %q is not %s, %s or %s", role, RoleKFP, RoleMetadata, RoleDriver)
		}
	}
	switch {
	case len(c.Roles) == 0:
		return errors.New("--roles names nothing to serve")
	case c.Slots < 1:
		return fmt.Errorf("--slots %d: at least one pod must be able to run", c.Slots)
	case c.Vanish != VanishRemake && c.Vanish != VanishError:
		return fmt.Errorf("--vanish %q is not %s or %s", c.Vanish, VanishRemake, VanishError)
	case c.serves(RoleDriver) && (c.Driver != "" || c.DriverHTTP != ""):
		return errors.New("--driver and --driver-http name an external driver; leave driver out of --roles")
	}
	return c.Datastore.Check()
}

func (c *Config) serves(role string) bool { return slices.Contains(c.Roles, role) }

// Run serves until ctx ends.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	if c.LauncherDir == "" {
		if c.LauncherDir, err = launchers.Beside(); err != nil {
			return err
		}
	}
	if c.LauncherDir, err = filepath.Abs(c.LauncherDir); err != nil {
		return fmt.Errorf("--launcher-dir: %w", err)
	}
	h, err := home.Open(c.Home)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	record, err := home.ReadRecord(h.Dir)
	if err != nil {
		return err
	}
	s := &stack{cfg: c, home: h, record: record, log: slog.New(slog.NewTextHandler(c.Stderr, nil))}
	s.record.PID, s.record.Instance = 0, ""
	if err := h.WriteRecord(s.record); err != nil {
		return err
	}
	err = s.start(ctx)
	if err == nil {
		err = s.ready()
	}
	if err == nil {
		err = s.wait(ctx)
	}
	return errors.Join(err, s.stop())
}

// ready tells the world where everything is.
func (s *stack) ready() error {
	s.record.PID, s.record.Instance, s.record.Roles = os.Getpid(), rand.Text(), s.cfg.Roles
	s.record.Datastore, s.record.LauncherDir = s.cfg.Datastore, s.cfg.LauncherDir
	if err := s.home.WriteRecord(s.record); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.cfg.Stdout, "ready: %s on %s; in another shell: eval \"$(driver dev env --home %s)\"\n",
		strings.Join(s.cfg.Roles, ", "), s.home.Dir, quote(s.home.Dir))
	return err
}

// wait returns when ctx ends, or with the first role that fails.
func (s *stack) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// stopPatience bounds the end of each role.
const stopPatience = 10 * time.Second
