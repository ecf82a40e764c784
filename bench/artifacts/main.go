// Command artifacts measures tasks that store and read artifacts: Metaflow's
// own S3 client in the task's process against the task socket, the same tasks
// on the same S3 server, one after the other in turn. The case huge tells how
// much memory either needs for one artifact of some GiB.
//
//	go run ./bench/artifacts -rounds 3
//	go run ./bench/artifacts -cases huge -inputs 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/millrace/millrace/bench/gateway"
)

type options struct {
	python, server string
	big, small     int64
	count, inputs  int
	rounds         int
	cases          string
	huge           int64
	// GiB, by commas
	limits, stockLimits string
	tasks               string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		os.Exit(launch(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.python, "python", ".venv/bin/python", "interpreter that has Metaflow and boto3")
	flag.StringVar(&o.server, "versitygw", ".cache/bin/versitygw", "the S3 server")
	flag.Int64Var(&o.big, "big", 256<<20, "bytes of the big artifact")
	flag.Int64Var(&o.small, "small", 100<<10, "bytes of each small artifact")
	flag.IntVar(&o.count, "count", 200, "small artifacts of a task")
	flag.IntVar(&o.inputs, "inputs", 500, "inputs of the join")
	flag.IntVar(&o.rounds, "rounds", 3, "times each task is run; the median counts")
	flag.StringVar(&o.cases, "cases", "join,big,small", "what to measure; huge besides, which takes root")
	flag.Int64Var(&o.huge, "huge", 3<<30, "bytes of the huge artifact")
	flag.StringVar(&o.limits, "limits", "3.25,3.5,4,5", "GiB of memory for a task with the huge artifact, the first that is enough counts")
	flag.StringVar(&o.stockLimits, "stock-limits", "6.5,7.5,9", "the same by Metaflow alone; empty leaves it out")
	flag.StringVar(&o.tasks, "tasks", "", "folder for the tasks' own files (default: beside the server's)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/artifacts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.python, err = filepath.Abs(o.python); err != nil {
		return err
	}
	server, err := gateway.Start(ctx, o.server, filepath.Join(folder, "server"))
	if err != nil {
		return err
	}
	defer server.Stop()
	b, err := newBench(o, folder, server)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return fmt.Errorf("prepare the run: %w", err)
	}
	rows, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		printTable(os.Stdout, rows)
	}
	if !b.wants("huge") {
		return nil
	}
	huge, err := b.measureHuge(ctx)
	if err == nil {
		printLimited(os.Stdout, o.huge, huge)
	}
	return err
}
