// Command launcher runs a Metaflow flow's tasks inside a Kubeflow Pipelines
// pod; see internal/launcher.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace/millrace/internal/launcher"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(launcher.Main(ctx, os.Args[1:], &launcher.Env{
		Lookup: os.LookupEnv, Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
