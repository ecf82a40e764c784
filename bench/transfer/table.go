package main

import (
	"fmt"
	"io"
	"time"
)

func (c cost) String() string {
	return fmt.Sprintf("%.2f s wall, %.2f s CPU, %d MiB", c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20)
}

// print writes the rows as a Markdown table. A ratio above 1 is ours being the
// faster, or the thriftier.
func print(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| case | ours: wall s | CPU s | peak MiB | s5cmd: wall s | CPU s | peak MiB | wall s5cmd / ours | CPU s5cmd / ours |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %.2f | %.2f | %d | %.2f | %.2f | %d | %.2f | %.2f |\n", r.name,
			r.ours.wall.Seconds(), r.ours.cpu.Seconds(), r.ours.peak>>20, r.s5cmd.wall.Seconds(), r.s5cmd.cpu.Seconds(), r.s5cmd.peak>>20,
			over(r.s5cmd.wall, r.ours.wall), over(r.s5cmd.cpu, r.ours.cpu))
	}
}

func over(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
