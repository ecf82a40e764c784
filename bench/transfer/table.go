package main

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

func (c cost) String() string {
	return fmt.Sprintf("%.2f s wall, %.2f s CPU, %d MiB", c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20)
}

// print writes the rows as a Markdown table. A ratio above 1 is ours being the
// faster, or the thriftier.
func (b *bench) print(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| case | tool | wall s | CPU s | peak MiB | wall, s5cmd / it | CPU, s5cmd / it |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	names := map[string]string{"plain": "ours", "verified": "ours, SHA-1 verified"}
	for _, r := range rows {
		theirs := r.costs["s5cmd"]
		for _, tool := range b.tools() {
			c := r.costs[tool]
			fmt.Fprintf(w, "| %s | %s | %.2f | %.2f | %d |", r.name, cmp.Or(names[tool], tool), c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20)
			if theirs == (cost{}) || tool == "s5cmd" {
				fmt.Fprintln(w, " | |")
			} else {
				fmt.Fprintf(w, " %.2f | %.2f |\n", over(theirs.wall, c.wall), over(theirs.cpu, c.cpu))
			}
		}
	}
}

func over(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
