package tasksocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/objstore"
)

// The files that make an attempt final, in the order they are written. Who
// finds DONE.lock finds the other two.
const (
	dataFile       = "data.json"
	transitionFile = "millrace.json"
	doneFile       = "DONE.lock"
)

// commit is the part of a batch that makes the leased attempt final.
type commit struct {
	data, done *object
}

// take keeps an object that is final and says so.
func (c *commit) take(scope Scope, o object) bool {
	switch o.Path {
	case scope.file(dataFile):
		c.data = &o
	case scope.file(doneFile):
		c.done = &o
	default:
		return false
	}
	return true
}

func (s *Server) commit(ctx context.Context, store objstore.Store, c commit, overwrite bool) error {
	if c.data != nil {
		if err := s.commitData(ctx, store, *c.data, overwrite); err != nil {
			return err
		}
	}
	if c.done != nil {
		return s.commitDone(ctx, store, *c.done, overwrite)
	}
	return nil
}

func (s *Server) commitData(ctx context.Context, store objstore.Store, o object, overwrite bool) error {
	if err := failpoint.Hit(failpoint.LauncherBeforeData); err != nil {
		return err
	}
	taskOK, err := taskOKOf(o.source)
	if err != nil {
		return invalid("save %s: %v", o.Path, err)
	}
	if err := s.put(ctx, store, o.Path, o.source, o.metadata(), overwrite); err != nil {
		return err
	}
	s.record(func(o *Outcome) {
		o.DataWritten = true
		if o.TaskOK == nil {
			o.TaskOK = taskOK
		}
	})
	return nil
}

func (s *Server) commitDone(ctx context.Context, store objstore.Store, o object, overwrite bool) error {
	if err := failpoint.Hit(failpoint.LauncherBeforeMillrace); err != nil {
		return err
	}
	if err := s.commitTransition(ctx, store); err != nil {
		return err
	}
	if err := failpoint.Hit(failpoint.LauncherBeforeDone); err != nil {
		return err
	}
	if err := s.put(ctx, store, o.Path, o.source, o.metadata(), overwrite); err != nil {
		return err
	}
	s.record(func(o *Outcome) { o.DoneWritten = true })
	return failpoint.Hit(failpoint.LauncherAfterDone)
}

// transitionRecord is N.millrace.json: what the hook told, for who adopts the attempt.
type transitionRecord struct {
	Version int  `json:"version"`
	Attempt int  `json:"attempt"`
	TaskOK  bool `json:"task_ok"`
	Transition
	// ClonedFrom is set when the attempt was taken over from another run.
	ClonedFrom *ClonedFrom `json:"cloned_from,omitempty"`
}

const recordVersion = 1

// commitTransition writes what the hook told. A step that was left by
// sys.exit tells nothing, and has no transition.
func (s *Server) commitTransition(ctx context.Context, store objstore.Store) error {
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	if told == nil {
		return nil
	}
	body, err := json.Marshal(told)
	if err != nil {
		return fmt.Errorf("encoding the transition: %w", err)
	}
	return s.put(ctx, store, s.cfg.Scope.file(transitionFile), objstore.Bytes(body), nil, true)
}

// takeTransition notes what the hook tells; it is written with DONE.lock.
func (s *Server) takeTransition(req *request) error {
	if req.Attempt != s.cfg.Scope.Attempt {
		return invalid("a transition of attempt %d was told, this is attempt %d", req.Attempt, s.cfg.Scope.Attempt)
	}
	if err := req.Transition.check(); err != nil {
		return invalid("transition: %v", err)
	}
	told := transitionRecord{Version: recordVersion, Attempt: req.Attempt, TaskOK: req.TaskOK, Transition: req.Transition}
	if told.Next == nil {
		told.Next = []string{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = &told
	s.outcome.Transition, s.outcome.TaskOK = &told.Transition, &told.TaskOK
	return nil
}

func (t Transition) check() error {
	if t.NumSplits < 0 || t.GangSize < 0 {
		return fmt.Errorf("%d splits and a gang of %d: neither can be negative", t.NumSplits, t.GangSize)
	}
	for _, step := range t.Next {
		if step == "" {
			return errors.New("a next step has no name")
		}
	}
	return nil
}
