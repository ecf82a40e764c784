package flowgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// grower makes the steps of one flow.
type grower struct {
	rng *rand.Rand
	o   *Options
	// left is how many more steps may be planned.
	left  int
	depth int
	steps []Step
}

// item is a part of a region: its first step, and the step that leads out.
type item struct{ entry, exit int }

// grow makes a flow from a seed and the number of the try.
func grow(seed, try uint64, o *Options) *Flow {
	g := &grower{rng: rand.New(rand.NewPCG(seed, try)), o: o}
	g.left = 2 + g.rng.IntN(o.Steps)
	if g.chance(0.02) {
		g.left = 1
	}
	items := 1
	if g.left > 1 {
		items = 2 + g.rng.IntN(min(g.left-1, 5))
	}
	g.region(items, true)
	f := &Flow{Salt: fmt.Sprintf("%d.%d", seed, try), Name: fmt.Sprintf("Random%d", seed)}
	g.nameEnds()
	g.decorate()
	f.Steps = g.steps
	f.Start, f.End = g.steps[0].Name, g.steps[len(g.steps)-1].Name
	return f
}

func (g *grower) chance(p float64) bool { return g.rng.Float64() < p }

func (g *grower) add(kind Kind, prefix string) int {
	name := prefix + strconv.Itoa(len(g.steps))
	if g.chance(0.1) {
		name = prefix + "_" + strconv.Itoa(len(g.steps))
	}
	g.steps = append(g.steps, Step{Name: name, Kind: kind})
	g.left--
	return len(g.steps) - 1
}

// region grows n items and ties them together. It returns the first step and
// those that lead out of the region; the whole flow's last item is its end and
// leads nowhere.
func (g *grower) region(n int, whole bool) (entry int, leaves []int) {
	items := make([]item, n)
	for i := range items {
		items[i] = g.item(whole && i == 0, i == n-1, whole)
	}
	if whole {
		n-- // the end step: no item leads out
	}
	outs := make([][]int, n)
	for i := range n {
		outs[i] = g.outs(&g.steps[items[i].exit], i, len(items), whole)
	}
	for j := 1; j < len(items); j++ {
		if !slices.ContainsFunc(outs[:min(j, n)], func(to []int) bool { return slices.Contains(to, j) }) {
			outs[j-1][g.rng.IntN(len(outs[j-1]))] = j
		}
	}
	for i := range n {
		from := &g.steps[items[i].exit]
		for _, to := range outs[i] {
			if to == len(items) {
				leaves = append(leaves, items[i].exit)
				continue
			}
			from.Next = append(from.Next, g.steps[items[to].entry].Name)
		}
		g.setKeys(from)
	}
	return items[0].entry, leaves
}

// outs chooses the items that item i leads to; n stands for the way out of the
// region. A switch never takes it: what follows is a join.
func (g *grower) outs(s *Step, i, n int, whole bool) []int {
	last := n
	if whole || s.Kind == Switch {
		last = n - 1
	}
	count := 1
	if s.Kind == Switch && len(s.Next) == 0 {
		count = 2 + g.rng.IntN(2)
	} else if s.Kind == Switch { // the loop's own case is there
		count = 1 + g.rng.IntN(2)
	}
	to := make([]int, count)
	for k := range to {
		to[k] = i + 1
		if s.Kind == Switch || g.chance(0.3) {
			to[k] += g.rng.IntN(min(last-i, 4))
		}
	}
	return to
}

// setKeys gives a switch its cases.
func (g *grower) setKeys(s *Step) {
	if s.Kind != Switch {
		return
	}
	words := []string{`"again"`, `"a"`, `"b b"`, `"c"`}
	switch {
	case s.Loops():
	case g.chance(0.3):
		words = []string{"0", "1", "2"}
	case g.chance(0.2) && len(s.Next) == 2:
		words = []string{"True", "False"}
	default:
		words = words[1:]
	}
	s.Keys = words[:len(s.Next)]
}

// item grows one item. The first of a flow cannot loop, the last of a region
// does not choose.
func (g *grower) item(first, last, whole bool) item {
	if last && whole {
		i := g.add(Linear, "s")
		return item{i, i}
	}
	inner := g.depth < g.o.Depth && g.left > 3
	weights := []struct {
		weight int
		grow   func() item
	}{
		{4, g.step},
		{g.weight(!last && g.left > 1, 3, "switch"), g.choose},
		{g.weight(!last && !first, 2, "loop"), g.loop},
		{g.weight(inner, 3, "foreach"), g.foreach},
		{g.weight(inner, 2, "split"), g.split},
		{g.weight(g.left > 2, 1, "gang"), g.gang},
		{g.weight(g.left > 6 && inner && !slices.Contains(g.o.Without, "switch"), 1, "twins"), g.twins},
	}
	sum := 0
	for _, w := range weights {
		sum += w.weight
	}
	n := g.rng.IntN(sum)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			return w.grow()
		}
	}
	return g.step()
}

// weight is 0 for what cannot be here or is not wanted, more for what is.
func (g *grower) weight(can bool, weight int, feature string) int {
	switch {
	case !can || slices.Contains(g.o.Without, feature):
		return 0
	case slices.ContainsFunc(g.o.With, func(w string) bool { return about[w] == feature }):
		return 3 * weight
	}
	return weight
}

func (g *grower) step() item {
	i := g.add(Linear, "s")
	return item{i, i}
}

func (g *grower) choose() item {
	i := g.add(Switch, "pick")
	return item{i, i}
}

func (g *grower) loop() item {
	i := g.add(Switch, "loop")
	s := &g.steps[i]
	s.Next, s.Least = []string{s.Name}, 1
	if g.chance(0.2) {
		s.Next = append(s.Next, s.Name)
	}
	s.Most = 1 + g.rng.IntN(g.o.Turns)
	return item{i, i}
}

func (g *grower) foreach() item {
	i := g.add(Foreach, "fan")
	g.steps[i].Least = 1
	g.steps[i].Most = 1 + g.rng.IntN(g.o.Splits)
	return g.block(i, 1)
}

func (g *grower) split() item { return g.block(g.add(Split, "part"), 2+g.rng.IntN(2)) }

func (g *grower) gang() item {
	i := g.add(Gang, "call")
	g.steps[i].Least = 1
	g.steps[i].Most = 1 + g.rng.IntN(g.o.Gang)
	member := g.add(Linear, "gang")
	g.steps[member].Member = true
	g.steps[i].Next = []string{g.steps[member].Name}
	return g.join(i, []int{member})
}

// twins are two splits of a kind that a switch chooses between, maybe with a
// step on the way to one, and that share all steps up to their join.
func (g *grower) twins() item {
	chooser := g.add(Switch, "pick")
	copied := len(g.steps)
	var block item
	switch kinds := g.rng.IntN(3); {
	case kinds == 0:
		block = g.foreach()
	case kinds == 1:
		block = g.split()
	case slices.Contains(g.o.Without, "gang"):
		block = g.foreach()
	default:
		block = g.gang()
	}
	other := g.steps[copied]
	other.Name += "_too"
	other.Next = slices.Clone(other.Next)
	slices.Reverse(other.Next)
	if other.Kind == Foreach {
		other.Most++
	}
	second := []Step{other}
	if g.chance(0.4) {
		second = []Step{{Name: "to_" + other.Name, Kind: Linear, Next: []string{other.Name}}, other}
	}
	g.steps = slices.Insert(g.steps, copied+1, second...)
	g.left -= len(second)
	s := &g.steps[chooser]
	s.Next = []string{g.steps[copied].Name, second[0].Name}
	s.Keys = []string{"1", "2"}
	return item{chooser, block.exit + len(second)}
}

// block grows the regions inside a split, and its join.
func (g *grower) block(split, branches int) item {
	g.depth++
	var all []int
	for range branches {
		entry, leaves := g.region(1+g.rng.IntN(max(1, min(4, g.left/branches))), false)
		g.steps[split].Next = append(g.steps[split].Next, g.steps[entry].Name)
		all = append(all, leaves...)
	}
	g.depth--
	return g.join(split, all)
}

func (g *grower) join(split int, leaves []int) item {
	i := g.add(Linear, "join")
	g.steps[i].Join = true
	for _, leaf := range leaves {
		g.steps[leaf].Next = append(g.steps[leaf].Next, g.steps[i].Name)
	}
	return item{split, i}
}
