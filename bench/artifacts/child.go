package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore/open"
	"github.com/millrace/millrace/internal/tasksocket"
)

// childCommand makes this program what the launcher is to a task's process,
// in a process of its own, so that its time and memory can be told.
const childCommand = "launch-task"

// launch serves the command: launch-task <run> <step> <task> <input paths'
// file> <command...>.
func launch(args []string) int {
	code, err := serveTask(tasksocket.Scope{Flow: flowName, Run: args[0], Step: args[1], Task: args[2]}, args[3], args[4:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/artifacts:", err)
		return 1
	}
	return code
}

func inMemory(folder string) bool {
	var st unix.Statfs_t
	return unix.Statfs(folder, &st) == nil && st.Type == unix.TMPFS_MAGIC
}

type always struct{}

func (always) AwaitWritable(context.Context) error { return nil }

func serveTask(scope tasksocket.Scope, inputsFile string, argv []string) (code int, err error) {
	inputs := tasksocket.Inputs{Type: "s3", Root: root}
	text, err := os.ReadFile(inputsFile)
	if err != nil {
		return 0, err
	}
	for path := range strings.SplitSeq(string(text), ",") {
		inputs.Tasks = append(inputs.Tasks, flowName+"/"+path)
	}
	folder, err := os.MkdirTemp("", "millrace-bench-task-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	spool, encode := filepath.Join(folder, "spool"), filepath.Join(folder, "encode")
	if err := errors.Join(os.Mkdir(spool, 0o700), os.Mkdir(encode, 0o700)); err != nil {
		return 0, err
	}
	socket := filepath.Join(folder, "s")
	server, err := tasksocket.Serve(context.Background(), tasksocket.Config{
		SocketPath: socket, SpoolDir: spool, SpoolInMemory: inMemory(spool), Scope: scope, Inputs: inputs, Guard: always{},
		Stores:    open.New(open.Options{}.FromEnvironment(os.Getenv)),
		Artifacts: artifact.New(artifact.Config{TempDir: encode, CacheDir: filepath.Join(folder, "artifacts"), CacheBytes: 1 << 30}),
		Note:      func(line string) { fmt.Fprintln(os.Stderr, "note:", line) },
	})
	if err != nil {
		return 0, err
	}
	child := exec.Command(argv[0], argv[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.Env = append(os.Environ(), "MILLRACE_SOCKET="+socket)
	err = child.Run()
	if closed := server.Close(); err == nil {
		err = closed
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
