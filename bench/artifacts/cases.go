package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one case: medians of both, and what is asked of the ratio.
type row struct {
	name        string
	seconds     func(measured) float64
	stock, ours []measured
	wall, asked float64 // stock over ours at least; 0 asks nothing
}

// measureAll runs the cases, Metaflow alone and ours in turn.
func (b *bench) measureAll(ctx context.Context) ([]*row, error) {
	after := func(m measured) float64 { return m.after }
	in := func(m measured) float64 { return m.inUser }
	to := func(m measured) float64 { return m.toUser }
	mib := float64(b.big) / (1 << 20)
	save := &row{name: fmt.Sprintf("save 1 x %.0f MiB", mib), seconds: after, wall: 5}
	load := &row{name: fmt.Sprintf("load 1 x %.0f MiB", mib), seconds: in, wall: 3}
	saveSmall := &row{name: fmt.Sprintf("save %d x %d KiB", b.count, b.small>>10), seconds: after, wall: 5, asked: 3}
	loadSmall := &row{name: fmt.Sprintf("load %d x %d KiB", b.count, b.small>>10), seconds: in}
	join := &row{name: fmt.Sprintf("join of %d, to user code", b.inputs), seconds: to, wall: 10, asked: 8}
	var inputs []string
	for i := range b.inputs {
		inputs = append(inputs, runID+"/work/"+cloned(i))
	}
	from := runID + "/work/" + cloned(0)
	for round := range b.rounds {
		for _, ours := range []bool{false, true} {
			seed := fmt.Sprintf("SEED=%d-%v", round, ours)
			if b.wants("join") {
				_, m, err := b.step(ctx, ours, "join", strings.Join(inputs, ","), fmt.Sprintf("COUNT=%d", b.inputs))
				if err != nil {
					return nil, err
				}
				join.add(ours, m)
			}
			if b.wants("big") {
				if err := b.pair(ctx, ours, from, save, load, "CASE=big", fmt.Sprintf("SIZE=%d", b.big), seed); err != nil {
					return nil, err
				}
			}
			if b.wants("small") {
				if err := b.pair(ctx, ours, from, saveSmall, loadSmall, "CASE=small", fmt.Sprintf("SIZE=%d", b.small), seed); err != nil {
					return nil, err
				}
			}
		}
	}
	return slices.DeleteFunc([]*row{save, load, saveSmall, loadSmall, join}, func(r *row) bool { return len(r.ours) == 0 }), nil
}

func (b *bench) wants(name string) bool {
	return slices.Contains(strings.Split(b.options.cases, ","), name)
}

// pair measures a task that stores and one that reads what it stored.
func (b *bench) pair(ctx context.Context, ours bool, from string, save, load *row, env ...string) error {
	name, m, err := b.step(ctx, ours, "produce", from, env...)
	if err != nil {
		return err
	}
	save.add(ours, m)
	_, m, err = b.step(ctx, ours, "consume", runID+"/produce/"+name, env...)
	if err != nil {
		return err
	}
	load.add(ours, m)
	return nil
}

func (r *row) add(ours bool, m measured) {
	fmt.Fprintf(os.Stderr, "%s, ours %v: %.2f s, %.0f requests\n", r.name, ours, r.seconds(m), m.requests)
	if ours {
		r.ours = append(r.ours, m)
	} else {
		r.stock = append(r.stock, m)
	}
}

func median(of []measured, what func(measured) float64) float64 {
	var values []float64
	for _, m := range of {
		values = append(values, what(m))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func printTable(w io.Writer, rows []*row) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "case\tMetaflow s\tours s\tratio\tasked\tCPU s\t\tratio\tpeak MiB\t\trequests\t\tratio\tasked")
	for _, r := range rows {
		pair := func(what func(measured) float64) (stock, ours float64) {
			return median(r.stock, what), median(r.ours, what)
		}
		ws, wo := pair(r.seconds)
		cs, co := pair(func(m measured) float64 { return m.cpu })
		ps, po := pair(func(m measured) float64 { return m.peak })
		rs, ro := pair(func(m measured) float64 { return m.requests })
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%.1f\t%s\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.1f\t%s\n",
			r.name, ws, wo, ws/wo, bar(r.wall), cs, co, cs/co, ps, po, rs, ro, rs/ro, bar(r.asked))
	}
}

func bar(asked float64) string {
	if asked == 0 {
		return "-"
	}
	return fmt.Sprintf(">= %.0f", asked)
}
