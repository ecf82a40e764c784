package graph

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/test/flowgen"
)

// driver takes the events of one run.
type driver interface {
	open(parameters *string, resume *schedule.Resume) error
	do(ev schedule.Event) (schedule.Answer, error)
}

// weather is how much goes wrong, as chances per occasion.
type weather struct {
	// Die: a pod dies in a task. Blip: an attempt fails for infrastructure's
	// reasons. Again: a request is sent twice. Stale: a request of a lease that
	// is over. Doom: one task of the run fails for good, and :retry is asked
	// for.
	die, blip, again, stale, doom float64
}

var calm = weather{}

var rough = weather{die: 0.08, blip: 0.05, again: 0.1, stale: 0.1, doom: 0.4}

// storm uses up Metaflow's attempt numbers: tasks go on under other ids.
var storm = weather{die: 0.05, blip: 0.6, again: 0.1, stale: 0.1}

// cluster plays one run.
type cluster struct {
	f      *flowgen.Flow
	def    *flowdef.Definition
	driver driver
	rng    *rand.Rand
	sky    weather
	nodes  []*node
	// slots is how many workers can run at once, 0 for any number: gates take
	// none.
	slots int
	// live are the pods that have not ended.
	live []*pod
	made int
	err  error

	// want are the tasks that must be, by step and place; got the ids under
	// which they succeeded.
	want map[string]*flowgen.Task
	got  map[string]string
	// rounds is the first token of each gang's newest round, by its first
	// member.
	rounds map[string]uint64
	// store is what attempts have committed, clones that from the origin run;
	// raised counts the user failures
	// of a place, broke are the rounds of gangs that had one; doomed is the
	// place that fails for good until it was seen to.
	store  map[attemptKey]bool
	clones map[attemptKey]bool
	raised map[string]int
	broke  map[attemptKey]bool
	doomed string
	// origin is the run that this one goes on from, nil mostly.
	origin *origin
	// ended are leases that are over.
	ended []held

	runFailed, finished bool

	stats stats
}

// stats count what a run went through.
type stats struct{ tasks, deaths, adopted, cloned, failures, reopened, late, continued int }

func (s *stats) add(o stats) {
	s.tasks += o.tasks
	s.deaths += o.deaths
	s.adopted += o.adopted
	s.cloned += o.cloned
	s.failures += o.failures
	s.reopened += o.reopened
	s.late += o.late
	s.continued += o.continued
}

type attemptKey struct {
	task    schedule.TaskID
	attempt int
}

// held is a lease in somebody's hands.
type held struct {
	incarnation string
	grant       schedule.Grant
	attempt     int // -1 before the start
	// reported: its end is on record.
	reported bool
}

func newCluster(seed uint64, f *flowgen.Flow, tasks []*flowgen.Task, sky weather) (*cluster, error) {
	c := &cluster{
		f: f, def: f.Definition(), rng: rand.New(rand.NewPCG(seed, 1)), sky: sky,
		want: map[string]*flowgen.Task{}, got: map[string]string{}, rounds: map[string]uint64{},
		store: map[attemptKey]bool{}, clones: map[attemptKey]bool{}, raised: map[string]int{}, broke: map[attemptKey]bool{},
	}
	for _, t := range tasks {
		c.want[t.Step+"/"+t.ID] = t
	}
	if c.chance(sky.doom) {
		t := tasks[c.rng.IntN(len(tasks))]
		c.doomed = t.Step + "/" + t.ID
	}
	var err error
	c.nodes, err = layOut(c.def)
	return c, err
}

// busy is how many workers run.
func (c *cluster) busy() int {
	n := 0
	for _, p := range c.live {
		if p.joined {
			n++
		}
	}
	return n
}

func (c *cluster) chance(p float64) bool { return p > 0 && c.rng.Float64() < p }

func (c *cluster) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// patience is how often in a row pods may be told to wait, per pod.
const patience = 40

// run plays the run to its end.
func (c *cluster) run() error {
	idle := 0
	for c.err == nil {
		c.startReady()
		if len(c.live) == 0 {
			if c.flowEnded() {
				break
			}
			continue
		}
		at := c.rng.IntN(len(c.live))
		p := c.live[at]
		if c.act(p) {
			idle = 0
		} else if idle++; idle > patience*len(c.live) {
			c.fail("nothing moves: %s", c.where())
		}
		if p.over {
			at = indexOf(c.live, p)
			c.live = append(c.live[:at], c.live[at+1:]...)
		}
		c.disturb()
	}
	if c.err == nil {
		c.compare()
	}
	return c.err
}

func indexOf(pods []*pod, p *pod) int {
	for i, q := range pods {
		if p == q {
			return i
		}
	}
	return -1
}

// flowEnded is what KFP does when no pod is left: the exit hook, and in a run
// that failed what a person does. It tells whether all is over.
func (c *cluster) flowEnded() bool {
	good := true
	for _, n := range c.nodes {
		switch n.state {
		case succeeded:
		case failed, omitted:
			good = false
		case pending, running:
			c.fail("no pod is left and %s has not ended: %s", n.name, c.where())
			return true
		}
	}
	if !c.finished {
		c.finished = true
		c.must(schedule.Finished{KFPState: map[bool]string{true: "COMPLETE", false: "FAILED"}[good]})
	}
	if good && c.runFailed {
		c.fail("a task failed for good and the run went on: %s", c.where())
	}
	if good {
		return true
	}
	if !c.runFailed {
		c.fail("KFP failed the run, the driver did not: %s", c.where())
		return true
	}
	c.runFailed = false
	c.stats.reopened++
	c.retry()
	return false
}

// must is an event that the driver has to take.
func (c *cluster) must(ev schedule.Event) schedule.Answer {
	answer, err := c.driver.do(ev)
	if _, once := ev.(schedule.Released); err == nil && !once && c.chance(c.sky.again) {
		answer, err = c.driver.do(ev)
	}
	if err != nil {
		c.fail("%T %+v is refused: %w", ev, ev, err)
	}
	return answer
}

func (c *cluster) where() string {
	var b strings.Builder
	names := [...]string{"pending", "running", "succeeded", "failed", "omitted"}
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "%s=%s ", n.name, names[n.state])
		for _, p := range n.pods {
			if !p.over {
				fmt.Fprintf(&b, "(%s: %s) ", p.incarnation, p.told)
			}
		}
	}
	return b.String()
}
