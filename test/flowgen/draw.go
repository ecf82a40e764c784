package flowgen

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// draw is a number from 0 to 65535 that depends on the flow and the words. The
// multiplication is there because CRCs of like texts differ by a constant. The
// function of the same name in the script computes the same.
func (f *Flow) draw(words ...any) int {
	parts := []string{f.Salt}
	for _, w := range words {
		parts = append(parts, fmt.Sprint(w))
	}
	sum := crc32.ChecksumIEEE([]byte(strings.Join(parts, "|")))
	return int(sum * 2654435761 >> 16)
}

// within is a number from the step's Least to its Most.
func (f *Flow) within(s *Step, path string) int {
	return s.Least + f.draw("n", s.Name, path)%(s.Most-s.Least+1)
}

// choice is the case that a switch takes. A loop turns as often as it drew,
// and leaves by one of its other cases.
func (f *Flow) choice(s *Step, path string, turn int) int {
	var stay, leave []int
	for i, next := range s.Next {
		if next == s.Name {
			stay = append(stay, i)
		} else {
			leave = append(leave, i)
		}
	}
	among := leave
	if s.Loops() && turn+1 < f.within(s, path) {
		among = stay
	}
	return among[f.draw("case", s.Name, path, turn)%len(among)]
}

// fails is how many attempts of a task fail before one succeeds.
func (f *Flow) fails(s *Step, path string, turn int) int {
	return f.draw("fails", s.Name, path, turn) % (s.Fails + 1)
}

// FailsAttempt tells whether the attempt of a task of the step raises, at the
// place of these indices (a gang member's rank is the last one) and in this
// turn of a loop, 0 elsewhere.
func (f *Flow) FailsAttempt(s *Step, indices []int64, turn, attempt int) bool {
	return attempt < f.fails(s, pathText(indices), turn)
}

// Transition is what a task decides at its end.
type Transition struct {
	Next      []string
	NumSplits int64
	GangSize  int64
}

// Transition is what the task of the step decides at that place and turn.
func (f *Flow) Transition(s *Step, indices []int64, turn int) Transition {
	path := pathText(indices)
	switch s.Kind {
	case Switch:
		return Transition{Next: []string{s.Next[f.choice(s, path, turn)]}}
	case Foreach:
		return Transition{Next: s.Next, NumSplits: int64(f.within(s, path))}
	case Gang:
		return Transition{Next: s.Next, GangSize: int64(f.within(s, path))}
	case Linear, Split:
	}
	return Transition{Next: s.Next}
}

// pathText is an index path as "3-7", empty outside of every foreach.
func pathText(indices []int64) string {
	parts := make([]string, len(indices))
	for i, index := range indices {
		parts[i] = strconv.FormatInt(index, 10)
	}
	return strings.Join(parts, "-")
}
