// Package dev is the laptop stack: one process that serves what a cluster
// would (Kubeflow Pipelines' API and an interpreter of its pipelines, the
// driver, Metaflow's metadata service) to the very commands and launchers of
// production.
package dev

import (
	"context"
	"io"
	"time"
)

// The roles a process can serve.
const (
	RoleKFP      = "kfp"
	RoleMetadata = "metadata"
	RoleDriver   = "driver"
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
	Vanish             string
	S3Root, S3Endpoint string
	LauncherDir        string
	// PodProxy gives each pod its own way to the driver, which can be cut.
	PodProxy bool

	Stdout, Stderr io.Writer
}

// Run serves until ctx ends.
func Run(ctx context.Context, c Config) error { panic("not yet") }

// EnvOptions are those of `driver dev env`.
type EnvOptions struct {
	// Wait until the stack is ready, for at most Timeout.
	Wait    bool
	Timeout time.Duration
}

// Env returns the shell lines that point Metaflow at the stack of a home.
func Env(ctx context.Context, dir string, o EnvOptions) (string, error) { panic("not yet") }
