package schedule

// Notice is why the child of a lease must end: the run is over, or the round
// of its gang. It is empty while the child may go on, and for one that does
// not hold the lease.
func (r *Run) Notice(id TaskID, token uint64, incarnation string) string {
	t, _, err := r.holds(id, token, incarnation)
	if err != nil {
		return ""
	}
	return r.notice(t)
}

// Notices grows whenever there may be news for who holds a lease, so that
// nobody need wait for a renewal to hear it. It is not durable.
func (r *Run) Notices() uint64 { return r.notices }

func (r *Run) notice(t ref) string {
	switch g := t.g.gang; {
	case r.over():
		return "the run is over: " + r.reason
	case g != nil:
		return g.broken
	}
	return ""
}
