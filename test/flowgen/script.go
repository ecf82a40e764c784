package flowgen

import (
	"fmt"
	"strings"
)

// scriptHead is the part that all scripts share; what fills it are a comment, the
// decorators, the salt and the class.
const scriptHead = `"""A random flow: %s."""

import zlib

from metaflow import FlowSpec, %s

SALT = %q


def draw(*words):
    """A number that depends on the flow and the words alone."""
    text = "|".join(str(w) for w in (SALT,) + words)
    return zlib.crc32(text.encode()) * 2654435761 %% 2**32 >> 16


def path(flow):
    return "-".join(str(frame[0]) for frame in flow.foreach_stack())


def visit(flow, name, inputs=None, turn=0, fails=0):
    """What every step does: fail as often as drawn, then mix its place into the digest."""
    here = path(flow)
    if current.retry_count < draw("fails", name, here, turn) %% (fails + 1):
        raise RuntimeError("attempt %%d of %%s at %%r fails as drawn" %% (current.retry_count, name, here))
    before = [getattr(i, "digest", 0) for i in inputs] if inputs else [getattr(flow, "digest", 0)]
    before = ",".join(str(b) for b in sorted(before))
    flow.digest = zlib.crc32(("%%s|%%s|%%d|%%s" %% (name, here, turn, before)).encode())
    flow.place = "%%s@%%s#%%d" %% (name, here, turn)


def within(flow, name, least, most):
    return least + draw("n", name, path(flow)) %% (most - least + 1)


class %s(FlowSpec):
`

// Script is the flow's Python source.
func (f *Flow) Script(about string) string {
	var b strings.Builder
	fmt.Fprintf(&b, scriptHead, about, f.imports(), f.Salt, f.Name)
	for i := range f.Steps {
		if i > 0 {
			b.WriteByte('\n')
		}
		f.writeStep(&b, &f.Steps[i])
	}
	fmt.Fprintf(&b, "\n\nif __name__ == \"__main__\":\n    %s()\n", f.Name)
	return b.String()
}

func (f *Flow) imports() string {
	var catch, gang, retry bool
	for _, s := range f.Steps {
		catch, gang, retry = catch || s.Catch, gang || s.Member, retry || s.Retries > 0
	}
	var names []string
	for _, d := range []struct {
		name string
		used bool
	}{{"catch", catch}, {"current", true}, {"parallel", gang}, {"retry", retry}, {"step", true}} {
		if d.used {
			names = append(names, d.name)
		}
	}
	return strings.Join(names, ", ")
}

func (f *Flow) writeStep(b *strings.Builder, s *Step) {
	line := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	if s.Retries > 0 {
		line("@retry(times=%d, minutes_between_retries=0)", s.Retries)
	}
	if s.Catch {
		line("@catch(var=\"caught\", print_exception=False)")
	}
	if s.Member {
		line("@parallel")
	}
	line("@step%s", f.mark(s))
	arguments, inputs := "self", ""
	if s.Join {
		arguments, inputs = "self, inputs", ", inputs"
	}
	line("def %s(%s):", s.Name, arguments)
	if s.Loops() {
		line("    self.turn_%s = turn = getattr(self, \"turn_%s\", -1) + 1", s.Name, s.Name)
		inputs += ", turn=turn"
	}
	if s.Fails > 0 {
		inputs += fmt.Sprintf(", fails=%d", s.Fails)
	}
	line("    visit(self, %q%s)", s.Name, inputs)
	f.writeNext(line, s)
}

// mark says which step is the first and the last where their names do not.
func (f *Flow) mark(s *Step) string {
	if len(f.Steps) == 1 && f.draw("bare")%2 == 0 {
		return "" // a single step needs no mark
	}
	var marks []string
	if s.Name == f.Start && s.Name != "start" {
		marks = append(marks, "start=True")
	}
	if s.Name == f.End && s.Name != "end" {
		marks = append(marks, "end=True")
	}
	if len(marks) == 0 {
		return ""
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

func (f *Flow) writeNext(line func(string, ...any), s *Step) {
	if len(s.Next) == 0 {
		return
	}
	targets := make([]string, len(s.Next))
	for i, next := range s.Next {
		targets[i] = "self." + next
	}
	switch s.Kind {
	case Foreach:
		line("    self.%s = list(range(within(self, %q, %d, %d)))", itemsOf(s), s.Name, s.Least, s.Most)
		line("    self.next(%s, foreach=%q)", targets[0], itemsOf(s))
	case Gang:
		line("    self.size = within(self, %q, %d, %d)", s.Name, s.Least, s.Most)
		line("    self.next(%s, num_parallel=self.size)", targets[0])
	case Switch:
		f.writeChoice(line, s, targets)
	case Linear, Split:
		line("    self.next(%s)", strings.Join(targets, ", "))
	}
}

func (f *Flow) writeChoice(line func(string, ...any), s *Step, targets []string) {
	var stay, leave, cases []string
	for i, k := range s.Keys {
		if s.Next[i] == s.Name {
			stay = append(stay, k)
		} else {
			leave = append(leave, k)
		}
		cases = append(cases, k+": "+targets[i])
	}
	turn := "0"
	line("    ways = [%s]", strings.Join(leave, ", "))
	if s.Loops() {
		turn = "turn"
		line("    if turn + 1 < within(self, %q, %d, %d):", s.Name, s.Least, s.Most)
		line("        ways = [%s]", strings.Join(stay, ", "))
	}
	line("    self.way = ways[draw(\"case\", %q, path(self), %s) %% len(ways)]", s.Name, turn)
	line("    self.next({%s}, condition=\"way\")", strings.Join(cases, ", "))
}

// itemsOf names what a foreach goes over. A step looks the items of every
// foreach around it up by their names, so no two may have the same.
func itemsOf(s *Step) string { return "items_" + s.Name }
