package main

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/bench/gateway"
	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/open"
)

//go:embed flow.py
var flow []byte

const (
	flowName = "DataFlow"
	runID    = "bench-1"
	root     = "s3://" + gateway.Bucket + "/metaflow"
)

// bench is what all tasks share.
type bench struct {
	options
	folder, script string
	shim           string
	self           string
	server         *gateway.Server
	store          objstore.Store
	pool           *artifact.Pool
	started        int
	group          *group // nil: without a limit
}

func newBench(o options, folder string, s *gateway.Server) (*bench, error) {
	b := &bench{options: o, folder: folder, server: s, script: filepath.Join(folder, "flow.py"), shim: filepath.Join(folder, "shim")}
	if err := os.WriteFile(b.script, flow, 0o600); err != nil {
		return nil, err
	}
	// The shim alone: the extension for deploying is installed already.
	const extension = "metaflow_extensions/millrace_runtime"
	if err := os.CopyFS(filepath.Join(b.shim, extension), os.DirFS("python/"+extension)); err != nil {
		return nil, fmt.Errorf("run it from the repository's root: %w", err)
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	for _, pair := range s.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		os.Setenv(name, value)
	}
	stores := open.New(open.Options{}.FromEnvironment(os.Getenv))
	if b.store, err = stores.Store("s3", root); err != nil {
		return nil, err
	}
	b.pool = artifact.New(artifact.Config{TempDir: folder})
	return b, nil
}

func (b *bench) environment(home string) []string {
	return append([]string{
		"PATH=" + filepath.Dir(b.python) + ":" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "TMPDIR=" + home, "METAFLOW_USER=bench",
		"METAFLOW_DATASTORE_SYSROOT_S3=" + root, "METAFLOW_DEFAULT_DATASTORE=s3", "METAFLOW_DEFAULT_METADATA=local",
		fmt.Sprintf("COUNT=%d", b.count),
	}, b.server.Environment()...)
}

// task is the command line of one task, by Metaflow alone or through the
// socket.
func (b *bench) task(ours bool, step, task string, more ...string) (argv, env []string) {
	argv = append([]string{
		b.python, b.script, "--quiet", "--metadata=local", "--environment=local", "--datastore=s3", "--datastore-root=" + root,
		"--event-logger=nullSidecarLogger", "--monitor=nullSidecarMonitor", "--no-pylint",
	}, more...)
	if ours {
		argv = append([]string{b.self, childCommand, runID, step, task, filepath.Join(b.folder, "inputs")}, argv...)
		env = []string{"PYTHONPATH=" + b.shim}
	}
	return argv, env
}

func (b *bench) step(ctx context.Context, ours bool, step, inputs string, env ...string) (string, measured, error) {
	b.started++
	name := fmt.Sprintf("t-%d", b.started)
	file := filepath.Join(b.folder, "inputs")
	if err := os.WriteFile(file, []byte(inputs), 0o600); err != nil {
		return "", measured{}, err
	}
	more := []string{"step", step, "--run-id=" + runID, "--task-id=" + name, "--input-paths-filename=" + file}
	if step == "work" {
		more = append(more, "--split-index=0")
	}
	argv, variables := b.task(ours, step, name, more...)
	m, err := b.run(ctx, argv, append(variables, env...))
	return name, m, err
}

// prepare runs a first task of each step by Metaflow alone, and makes of the
// one of `work` as many as the join takes.
func (b *bench) prepare(ctx context.Context) error {
	argv, _ := b.task(false, "_parameters", "p", "init", "--run-id="+runID, "--task-id=p")
	if _, err := b.run(ctx, argv, nil); err != nil {
		return err
	}
	start, _, err := b.step(ctx, false, "start", runID+"/_parameters/p", fmt.Sprintf("COUNT=%d", b.inputs))
	if err != nil {
		return err
	}
	work, _, err := b.step(ctx, false, "work", runID+"/start/"+start)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range b.inputs {
		group.Go(func() error { return b.clone(ctx, work, i) })
	}
	return group.Wait()
}

// clone makes a task of `work` with a `y` and a foreach stack of its own.
func (b *bench) clone(ctx context.Context, from string, i int) error {
	text := fmt.Sprintf("%d-%d", i, rand.Uint64())
	y, err := b.content(ctx, append([]byte{0x80, 4, 0x8c, byte(len(text))}, text+"."...))
	if err != nil {
		return err
	}
	stack, err := b.content(ctx, stackOf(i, b.inputs))
	if err != nil {
		return err
	}
	for _, name := range []string{"0.attempt.json", "0.task_begin", "0.task_end", "0.data.json", "0.DONE.lock"} {
		body, _, err := objstore.ReadAll(ctx, b.store, flowName+"/"+runID+"/work/"+from+"/"+name, 1<<20)
		if err != nil {
			return err
		}
		if name == "0.data.json" {
			var data map[string]any
			if err := json.Unmarshal(body, &data); err != nil {
				return err
			}
			objects := data["objects"].(map[string]any)
			objects["y"], objects["_foreach_stack"] = y, stack
			if body, err = json.Marshal(data); err != nil {
				return err
			}
		}
		if err := b.store.Put(ctx, flowName+"/"+runID+"/work/"+cloned(i)+"/"+name, objstore.Bytes(body), objstore.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// content stores a pickled object and returns its key.
func (b *bench) content(ctx context.Context, pickled []byte) (string, error) {
	sum := sha1.Sum(pickled)
	sha := hex.EncodeToString(sum[:])
	return sha, b.pool.Save(ctx, b.store, flowName+"/data/"+sha[:2]+"/"+sha, objstore.Bytes(pickled), false, nil)
}

// stackOf is the foreach stack of a split, as Metaflow pickles it.
func stackOf(i, splits int) []byte {
	body := []byte("]\x94\x8c\x08__main__\x94\x8c\x0cForeachFrame\x94\x93\x94(\x8c\x04work\x94\x8c\x02xs\x94")
	for _, n := range []int{splits, i} {
		if n < 1<<8 {
			body = append(body, 'K', byte(n))
		} else {
			body = binary.LittleEndian.AppendUint16(append(body, 'M'), uint16(n))
		}
	}
	value := fmt.Sprint(i)
	body = append(append(body, 0x8c, byte(len(value))), value+"\x94t\x94\x81\x94a."...)
	return append(binary.LittleEndian.AppendUint64([]byte{0x80, 4, 0x95}, uint64(len(body))), body...)
}

func cloned(i int) string { return fmt.Sprintf("split-%d", i) }
