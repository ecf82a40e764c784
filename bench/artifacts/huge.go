package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

// limited is a task within a limit of memory.
type limited struct {
	name  string
	ours  bool
	limit float64 // GiB
	measured
	use
	failed bool
}

// measureHuge finds for a task that stores one huge artifact, and for one that
// reads it, the first of the limits that is enough.
func (b *bench) measureHuge(ctx context.Context) ([]limited, error) {
	var rows []limited
	for _, ours := range []bool{true, false} {
		list := b.stockLimits
		if ours {
			list = b.limits
		}
		limits, err := parseLimits(list)
		if err != nil {
			return nil, err
		}
		saved, name, err := b.enough(ctx, limited{name: "produce", ours: ours}, limits, runID+"/work/"+cloned(0))
		if err != nil {
			return nil, err
		}
		rows = append(rows, saved...)
		if name == "" {
			continue // none was enough: there is nothing to load
		}
		loaded, _, err := b.enough(ctx, limited{name: "consume", ours: ours}, limits, runID+"/produce/"+name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, loaded...)
	}
	return rows, nil
}

// enough runs a task with one limit after the other until it ends well, and
// returns that one's name.
func (b *bench) enough(ctx context.Context, task limited, limits []float64, inputs string) (rows []limited, name string, err error) {
	for _, limit := range limits {
		task.limit = limit
		row := task
		if name, err = b.within(ctx, &row, inputs); err != nil {
			return nil, "", err
		}
		rows = append(rows, row)
		if !row.failed {
			return rows, name, nil
		}
	}
	return rows, "", nil
}

func parseLimits(list string) (limits []float64, err error) {
	for text := range strings.SplitSeq(list, ",") {
		if text == "" {
			continue
		}
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("the limits %q: %w", list, err)
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

// within runs one task in a control group of its own.
func (b *bench) within(ctx context.Context, row *limited, inputs string) (name string, err error) {
	g, err := newGroup(int64(row.limit * (1 << 30)))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, g.remove()) }()
	b.group = g
	defer func() { b.group = nil }()
	used := g.watch()
	name, row.measured, err = b.step(ctx, row.ours, row.name, inputs, "CASE=huge", fmt.Sprintf("SIZE=%d", b.huge), fmt.Sprintf("SEED=%v", row.ours))
	row.use = used()
	fmt.Fprintf(os.Stderr, "huge, %s, ours %v, %.2f GiB: %.0f s, %d killed\n", row.name, row.ours, row.limit, row.measured.wall, row.kills)
	row.failed = err != nil
	if row.kills > 0 {
		err = nil // that is an answer
	}
	return name, err
}

func printLimited(w io.Writer, size int64, rows []limited) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer table.Flush()
	gib := func(n int64) float64 { return float64(n) / (1 << 30) }
	fmt.Fprintf(table, "one artifact of %.2f GiB\tlimit GiB\tended\tpeak GiB\tof which no cache\tkills\twall s\tCPU s\n", gib(size))
	for _, r := range rows {
		who, ended := "Metaflow", "well"
		if r.ours {
			who = "ours"
		}
		if r.failed {
			ended = "killed"
		}
		verb := map[string]string{"produce": "save", "consume": "load"}[r.name]
		fmt.Fprintf(table, "%s, %s\t%.2f\t%s\t%.2f\t%.2f\t%d\t%.1f\t%.1f\n", verb, who, r.limit, ended, gib(r.use.peak), gib(r.hard), r.kills, r.wall, r.cpu)
	}
}
