package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/bench/gateway"
)

type bench struct {
	s5cmd, versitygw, dir string
	rounds                int
	cases                 []blobs
}

// cost is what one transfer took.
type cost struct {
	wall, cpu time.Duration
	peak      int64
}

// tools take turns. s5cmd, if there is one, is what ours is compared with.
func (b *bench) tools() []string {
	ours := []string{"plain", "verified"}
	if b.s5cmd == "" {
		return ours
	}
	return append([]string{"s5cmd"}, ours...)
}

// row is what one transfer cost each tool.
type row struct {
	name  string
	costs map[string]cost
}

func (b *bench) run(ctx context.Context) (err error) {
	work, err := os.MkdirTemp(b.dir, "transfer-")
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(work)) }()
	s, err := gateway.Start(ctx, b.versitygw, filepath.Join(work, "server"))
	if err != nil {
		return err
	}
	defer s.Stop()
	var rows []row
	for _, c := range b.cases {
		more, err := b.measure(ctx, s, c, filepath.Join(work, "files"))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, more...)
	}
	b.print(os.Stdout, rows)
	return nil
}

// measure lets the tools take turns, up and down.
func (b *bench) measure(ctx context.Context, s *gateway.Server, c blobs, folder string) ([]row, error) {
	source := filepath.Join(folder, "source")
	if err := fill(source, c); err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	costs := map[string][]cost{}
	for round := range b.rounds {
		for _, tool := range b.tools() {
			prefix := fmt.Sprintf("%s-%d", tool, round)
			for _, direction := range []string{"up", "down"} {
				there := source
				if direction == "down" {
					there = filepath.Join(folder, "target")
					if err := os.MkdirAll(there, 0o755); err != nil {
						return nil, err
					}
				}
				took, err := timed(b.command(ctx, s, tool, direction, there, prefix))
				if err != nil {
					return nil, fmt.Errorf("%s %s: %w", tool, direction, err)
				}
				costs[direction+tool] = append(costs[direction+tool], took)
				fmt.Fprintf(os.Stderr, "%s %s %s: %s\n", c.name, direction, tool, took)
			}
			if err := same(filepath.Join(folder, "target"), c); err != nil {
				return nil, fmt.Errorf("%s: what came back: %w", tool, err)
			}
			if err := s.Forget(prefix); err != nil {
				return nil, err
			}
			if err := os.RemoveAll(filepath.Join(folder, "target")); err != nil {
				return nil, err
			}
		}
	}
	var rows []row
	for _, direction := range []string{"up", "down"} {
		r := row{c.name + " " + direction, map[string]cost{}}
		for _, tool := range b.tools() {
			r.costs[tool] = median(costs[direction+tool])
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (b *bench) command(ctx context.Context, s *gateway.Server, tool, direction, folder, prefix string) *exec.Cmd {
	root := "s3://" + gateway.Bucket + "/" + prefix
	var cmd *exec.Cmd
	switch {
	case tool != "s5cmd":
		cmd = exec.CommandContext(ctx, "/proc/self/exe", carrier, tool, direction, folder, root)
	case direction == "up":
		cmd = exec.CommandContext(ctx, b.s5cmd, "--log", "error", "--endpoint-url", s.Endpoint, "cp", folder+"/", root+"/")
	default:
		cmd = exec.CommandContext(ctx, b.s5cmd, "--log", "error", "--endpoint-url", s.Endpoint, "cp", root+"/*", folder+"/")
	}
	cmd.Env = append(ownEnvironment(), s.Environment()...)
	return cmd
}

// ownEnvironment is this process's environment, but for what would lead elsewhere.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "METAFLOW_") || strings.HasPrefix(v, "S3_")
	})
}

// timed runs the command to its end and takes the kernel's account of it.
func timed(cmd *exec.Cmd) (cost, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%w: %s", err, said.Bytes())
	}
	c := cost{wall: time.Since(begin), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = usage.Maxrss << 10 // KiB on Linux
	}
	return c, nil
}

// median takes each measure for itself; of the peaks the highest.
func median(costs []cost) cost {
	var walls, cpus []time.Duration
	m := cost{}
	for _, c := range costs {
		walls, cpus, m.peak = append(walls, c.wall), append(cpus, c.cpu), max(m.peak, c.peak)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	m.wall, m.cpu = walls[len(walls)/2], cpus[len(cpus)/2]
	return m
}

// fill makes the blobs, noise that does not compress, named by their SHA-1.
func fill(folder string, c blobs) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for n := range c.count {
		seed := [32]byte{}
		binary.LittleEndian.PutUint64(seed[:], uint64(n))
		f, err := os.Create(filepath.Join(folder, "new"))
		if err != nil {
			return err
		}
		hash := sha1.New()
		_, err = io.CopyN(io.MultiWriter(f, hash), rand.NewChaCha8(seed), c.size)
		if err = cmp.Or(err, f.Close()); err != nil {
			return err
		}
		if err := os.Rename(f.Name(), filepath.Join(folder, hex.EncodeToString(hash.Sum(nil)))); err != nil {
			return err
		}
	}
	return nil
}

// same says whether the folder holds the blobs: their names say their content.
func same(folder string, c blobs) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	if len(entries) != c.count {
		return fmt.Errorf("%d blobs, want %d", len(entries), c.count)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		hash := sha1.New()
		_, err = io.Copy(hash, f)
		f.Close()
		if got := hex.EncodeToString(hash.Sum(nil)); err == nil && got != e.Name() {
			err = fmt.Errorf("%s has SHA-1 %s", e.Name(), got)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
