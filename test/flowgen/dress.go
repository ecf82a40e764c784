package flowgen

import "slices"

// nameEnds names the first and the last step, by custom mostly.
func (g *grower) nameEnds() {
	first, last := 0, len(g.steps)-1
	names := [2]string{"start", "end"}
	if g.chance(0.15) && !slices.Contains(g.o.Without, "names") {
		names = [2]string{"begin", "finish"}
	}
	if first == last {
		names[1] = "only"
	}
	old := g.steps[last].Name
	g.steps[first].Name, g.steps[last].Name = names[0], names[1]
	for i := range g.steps {
		for j, next := range g.steps[i].Next {
			if next == old {
				g.steps[i].Next[j] = names[1]
			}
		}
	}
}

// decorate gives some steps @retry and @catch, and attempts that fail.
func (g *grower) decorate() {
	for i := range g.steps {
		s := &g.steps[i]
		if len(s.Next) == 0 {
			continue
		}
		if g.chance(0.1) && !slices.Contains(g.o.Without, "retry") {
			s.Retries = 1 + g.rng.IntN(2)
			s.Fails = s.Retries
		}
		if !s.Member && (s.Kind == Linear || s.Kind == Split) && g.chance(0.08) && !slices.Contains(g.o.Without, "catch") {
			s.Catch = true
			s.Fails = s.Retries + 1
		}
	}
}
