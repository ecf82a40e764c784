package interp

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/dev/pod"
)

// livePod is a pod with a process. The map of them is guarded by the
// engine's lock.
type livePod struct {
	m    *machine
	path string
	uid  string
	proc *pod.Process
	// orphan: the node has another pod already.
	orphan bool
	proxy  *proxy
}

func (e *Engine) kick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
}

// settle starts what may start and sets the timer for what may start later.
// The lock is held.
func (e *Engine) settle() {
	// A pod that cannot be made ends at once, and others may follow it.
	for !e.closing && e.fill() {
		continue
	}
}

type queued struct {
	m *machine
	n *Node
}

// queue returns the pods that wait, first come first, and the slots in use.
func (e *Engine) queue() (waiting []queued, used int) {
	for _, m := range e.runs {
		if !m.r.Ended.IsZero() {
			continue
		}
		for _, n := range m.r.Nodes {
			switch {
			case n.State == Running && n.Kind == KindPod && m.takesSlot(n):
				used++
			case n.State == Pending:
				waiting = append(waiting, queued{m, n})
			}
		}
	}
	slices.SortFunc(waiting, func(a, b queued) int {
		return cmp.Or(a.n.NotBefore.Compare(b.n.NotBefore), cmp.Compare(a.n.Seq, b.n.Seq), cmp.Compare(a.m.r.ID, b.m.r.ID))
	})
	return waiting, used
}

// fill gives free slots to pods that wait. It is true when the queue has
// changed meanwhile.
func (e *Engine) fill() (again bool) {
	waiting, used := e.queue()
	now := time.Now()
	for _, w := range waiting {
		if w.n.State != Pending {
			continue
		}
		if w.n.NotBefore.After(now) {
			e.timer.Reset(w.n.NotBefore.Sub(now))
			return again // the rest of the queue is later still
		}
		slot := w.m.takesSlot(w.n)
		if slot && used >= e.cfg.Slots {
			continue
		}
		if e.start(w.m, w.n); w.n.State == Running && slot {
			used++
		}
		again = again || w.n.State.fulfilled()
	}
	return again
}

// takesSlot: a pod that asks for a tenth of a core, as gates do, takes none.
// It waits for other pods, and would keep them out. So would a member of a
// gang, which asks for its own address to tell it to the others: were there
// fewer slots than members, those that run would wait for ever.
func (m *machine) takesSlot(n *Node) bool {
	label := m.component(m.task(n)).ExecutorLabel
	if slices.ContainsFunc(m.p.pods[label].FieldPathAsEnv, func(f fieldPath) bool { return f.FieldPath == podAddress }) {
		return false
	}
	request := m.p.spec.DeploymentSpec.Executors[label].Container.Resources.CPURequest
	if milli, ok := strings.CutSuffix(request, "m"); ok {
		cores, err := strconv.ParseFloat(milli, 64)
		return err != nil || cores > 100
	}
	cores, err := strconv.ParseFloat(request, 64)
	return err != nil || cores > 0.1
}

// start starts a node's pod: the process is recorded before its container
// runs.
func (e *Engine) start(m *machine, n *Node) {
	spec, err := e.podSpec(m, n)
	if err != nil {
		e.over(m, n, ending{code: 1, message: err.Error()})
		return
	}
	live := &livePod{m: m, path: n.Path, uid: n.UID}
	if e.cfg.PodProxy {
		if live.proxy, err = ownWay(&spec); err != nil {
			e.later(n, err)
			return
		}
	}
	live.proc, err = pod.Start(e.cfg.Supervisor, spec)
	if err != nil {
		live.proxy.close()
		e.later(n, err)
		return
	}
	n.State, n.Started = Running, time.Now()
	if n.FirstStart.IsZero() {
		n.FirstStart = n.Started
	}
	n.Proc = Process{UID: n.UID, PID: live.proc.PID, Start: live.proc.Start, Proxy: live.proxy.port()}
	if err := e.store.save(m.r); err != nil {
		live.proc.Abandon()
		live.proxy.close()
		n.State, n.Proc = Pending, Process{}
		e.later(n, err)
		return
	}
	if err := live.proc.Go(); err != nil {
		// The supervisor is dead; its end is seen as that of any other.
		e.cfg.Logger.Warn("start a pod", "pod", n.Name, "error", err)
	}
	e.watch(live)
}

// later tries a pod again that this machine could not start just now.
func (e *Engine) later(n *Node, err error) {
	e.cfg.Logger.Error("cannot start a pod; trying again", "pod", n.Name, "error", err)
	n.Message, n.NotBefore = err.Error(), time.Now().Add(time.Second)
	e.timer.Reset(time.Second)
}

// over takes an ending and keeps the run; the lock is held.
func (e *Engine) over(m *machine, n *Node, end ending) {
	m.ended(n, end, time.Now())
	if err := e.store.save(m.r); err != nil {
		// The record is behind; it is written whole with the next change.
		e.cfg.Logger.Error("a pod's ending is not kept", "pod", n.Name, "error", err)
	}
}

// watch waits for the pod's end in a goroutine of its own.
func (e *Engine) watch(live *livePod) {
	e.pods[live.uid] = live
	e.watches.Go(func() {
		<-live.proc.Ended()
		exit, known, err := live.proc.Exit()
		if err != nil {
			e.cfg.Logger.Error("a pod's ending cannot be read", "pod", live.uid, "error", err)
		}
		live.proxy.close()
		e.taken(live, exit, known)
		// Outside the lock: a pod may leave many files.
		e.forget(live.uid)
	})
}

// taken takes the end of a pod, the node's own or an orphan.
func (e *Engine) taken(live *livePod, exit pod.Exit, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pods, live.uid)
	if live.orphan {
		e.dropOrphan(live)
	} else {
		e.reaped(live, exit, known)
	}
	e.settle()
}

// reaped takes the end of a node's own pod.
func (e *Engine) reaped(live *livePod, exit pod.Exit, known bool) {
	n := live.m.r.Nodes[live.path]
	if n == nil || n.UID != live.uid || n.State != Running {
		return
	}
	end := ending{code: exit.Code, message: exit.Message, vanished: !known}
	if known && exit.Code == 0 {
		var err error
		if end.outputs, err = e.readOutputs(live.m.component(live.m.task(n)), live.uid); err != nil {
			end.code, end.message = 1, err.Error()
		}
	}
	e.report(live.m.r.ID, live.uid)
	if e.closing && (end.vanished || end.code != 0) {
		// We ended it. The run goes on with the next start of the stack.
		live.m.enqueue(n, time.Now())
		if err := e.store.save(live.m.r); err != nil {
			e.cfg.Logger.Error("a pod's ending is not kept", "pod", n.Name, "error", err)
		}
		return
	}
	e.over(live.m, n, end)
}

// report tells of a pod whose processes have all ended.
func (e *Engine) report(runID, uid string) {
	if e.cfg.Gone != nil {
		e.reports.Go(func() { e.cfg.Gone(e.ctx, runID, uid) })
	}
}

// adopt takes up the pods of an earlier stack. The lock is held.
func (e *Engine) adopt(m *machine) {
	for _, o := range m.r.Orphans {
		if proc, alive := pod.Adopt(o.PID, o.Start, o.UID, e.exitFile(o.UID)); alive {
			e.watch(&livePod{m: m, uid: o.UID, proc: proc, orphan: true})
		}
	}
	for _, n := range m.r.Nodes {
		if n.Kind != KindPod || n.State != Running {
			continue
		}
		live := &livePod{m: m, path: n.Path, uid: n.UID}
		proc, alive := pod.Adopt(n.Proc.PID, n.Proc.Start, n.UID, e.exitFile(n.UID))
		if alive {
			live.proc = proc
			live.proxy = e.reopen(m, n)
			e.watch(live)
			continue
		}
		exit, known, err := pod.ReadExit(e.exitFile(n.UID))
		if err != nil {
			e.cfg.Logger.Error("a pod's ending cannot be read", "pod", n.UID, "error", err)
		}
		if !known {
			pod.Sweep(n.UID)
		}
		e.reaped(live, exit, known)
		e.forget(n.UID)
	}
}

func (e *Engine) dropOrphan(live *livePod) {
	live.m.r.Orphans = slices.DeleteFunc(live.m.r.Orphans, func(p Process) bool { return p.UID == live.uid })
	if err := e.store.save(live.m.r); err != nil {
		e.cfg.Logger.Error("the end of a vanished pod is not kept", "pod", live.uid, "error", err)
	}
}

// own returns the pod of a node that runs. The lock is held.
func (e *Engine) own(uid string) (*livePod, error) {
	live := e.pods[uid]
	if live == nil || live.orphan {
		return nil, fmt.Errorf("pod %s: %w", uid, ErrNotFound)
	}
	return live, nil
}
