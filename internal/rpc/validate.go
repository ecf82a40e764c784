package rpc

import (
	"fmt"
	"math"
	"net"
	"regexp"
	"strconv"
	"unicode"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/protocol"
	"github.com/millrace/millrace/internal/schedule"
)

// Bounds of what a request may hold. Texts for people are not refused for
// their length, only cut by the core: a report must not be lost over them.
const (
	maxName       = 255
	maxText       = 1 << 20
	maxParameters = 8 << 20
	maxNext       = 1000
)

// Run ids and task ids become object keys, file names and URLs.
var (
	idPattern     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,254}$`)
	tokenPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	preferPattern = regexp.MustCompile(`^[0-9]{1,18}(-[0-9]{1,18}){0,12}$`)
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9.]+)?$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// checks gathers the first fault of a request's fields.
type checks struct{ err error }

func (c *checks) ok(holds bool, name, format string, args ...any) {
	if c.err == nil && !holds {
		c.err = field(name, format, args...)
	}
}

func (c *checks) matches(p *regexp.Regexp, name, value, want string) {
	c.ok(p.MatchString(value), name, "%q is not %s", short(value), want)
}

func (c *checks) runID(id string) {
	c.matches(idPattern, "run_id", id, "a run id: a letter, then up to 254 letters, digits, '.', '_' or '-'")
}

func (c *checks) incarnation(id string) {
	c.matches(tokenPattern, "incarnation_id", id, "an id of at most 128 letters, digits, '.', '_', ':' or '-'")
}

// identifier is a Python name: pools have the name of their first step.
func (c *checks) identifier(name, value string) {
	c.ok(value != "" && len(value) <= maxName, name, "must have 1 to %d bytes, has %d", maxName, len(value))
	for i, r := range value {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			c.ok(false, name, "%q is not a step's name", short(value))
			return
		}
	}
}

// line is a text of one line that may be empty.
func (c *checks) line(name, value string, most int) {
	c.ok(len(value) <= most, name, "%d bytes long, more than %d", len(value), most)
	for _, r := range value {
		if unicode.IsControl(r) {
			c.ok(false, name, "holds a control character")
			return
		}
	}
}

func (c *checks) text(name, value string) {
	c.ok(len(value) <= maxText, name, "%d bytes long, more than %d", len(value), maxText)
}

// address is host:port as others reach a pod, or empty. It becomes a task's
// environment variable.
func (c *checks) address(name, value string) {
	if value == "" {
		return
	}
	c.line(name, value, maxName)
	host, port, err := net.SplitHostPort(value)
	n, bad := strconv.ParseUint(port, 10, 16)
	c.ok(err == nil && bad == nil && n > 0 && hostPattern.MatchString(host), name, "%q is not host:port", short(value))
}

// resume names a run and a step; whether the flow has the step is the core's
// to say.
func (c *checks) resume(in *millracev1.OpenRunRequest) {
	r := in.GetResume()
	if r == nil {
		return
	}
	c.ok(in.Parameters != nil, "resume", "is given with the parameters alone")
	c.matches(idPattern, "resume.origin_run", r.GetOriginRun(), "a run id: a letter, then up to 254 letters, digits, '.', '_' or '-'")
	c.ok(r.GetOriginRun() != in.GetRunId(), "resume.origin_run", "a run does not go on from itself")
	if r.GetStep() != "" {
		c.identifier("resume.step", r.GetStep())
	}
}

func (c *checks) index(name string, value int32) {
	c.ok(value >= 0, name, "%d is negative", value)
}

// held is what every call about a held lease carries.
type held interface {
	GetRunId() string
	GetIncarnationId() string
	GetSlot() int32
	GetTask() *millracev1.TaskRef
	GetToken() uint64
}

func (c *checks) held(in held) {
	c.runID(in.GetRunId())
	c.incarnation(in.GetIncarnationId())
	c.index("slot", in.GetSlot())
	c.ok(in.GetTask() != nil, "task", "missing")
	c.identifier("task.step", in.GetTask().GetStep())
	c.matches(idPattern, "task.task_id", in.GetTask().GetTaskId(), "a task id: a letter, then letters, digits, '.', '_' or '-'")
	c.ok(in.GetToken() > 0, "token", "missing")
}

func (c *checks) transition(t *millracev1.Transition) {
	c.ok(len(t.GetNext()) <= maxNext, "succeeded.next", "%d steps, more than %d", len(t.GetNext()), maxNext)
	for i, step := range t.GetNext() {
		c.identifier(fmt.Sprintf("succeeded.next[%d]", i), step)
	}
	c.ok(t.GetNumSplits() >= 0, "succeeded.num_splits", "%d is negative", t.GetNumSplits())
	c.ok(t.GetGangSize() >= 0 && t.GetGangSize() <= math.MaxInt32, "succeeded.gang_size", "%d is out of range", t.GetGangSize())
}

func (c *checks) failure(f *millracev1.Failure) {
	c.ok(classOf(f.GetClass()) != "", "failed.class", "%d is unknown", f.GetClass())
	c.text("failed.reason", f.GetReason())
}

// greet refuses launchers that speak a protocol no longer served. A newer one
// is let in: it knows the older protocol, and refuses the driver when it does
// not.
func greet(hello *millracev1.Hello) error {
	var c checks
	c.ok(hello != nil, "hello", "missing")
	c.line("hello.build", hello.GetBuild(), maxName)
	if c.err != nil {
		return c.err
	}
	if v := hello.GetProtocol(); v < protocol.Oldest {
		return fmt.Errorf("%w: %s speaks protocol %d, this driver serves %d to %d: deploy the flow again with a launcher of this driver's release",
			errTooOld, short(hello.GetBuild()), v, protocol.Oldest, protocol.Version)
	}
	return nil
}

func taskID(ref *millracev1.TaskRef) schedule.TaskID {
	return schedule.TaskID{Step: ref.GetStep(), Task: ref.GetTaskId()}
}
