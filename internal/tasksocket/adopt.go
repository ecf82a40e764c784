package tasksocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	// longestData bounds data.json: about 300 bytes for each artifact.
	longestData = 64 << 20
	// longestTransition bounds millrace.json, which came in one frame.
	longestTransition = maxFrame
)

// trueKey is the SHA-1 of True as Metaflow pickles it: the key of _task_ok in
// the data.json of an attempt that went well.
const trueKey = "868436778cb011a1c6230bc12534683ab0b7f1c3"

// Outcome is what the attempt left, as far as this server saw. Call it after
// Close.
func (s *Server) Outcome(context.Context) (Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcome, nil
}

// ReadOutcome reads what an earlier life of the attempt left in the datastore:
// whether it is DONE, and if so with which data.json and transition.
func ReadOutcome(ctx context.Context, store objstore.Store, scope Scope) (Outcome, error) {
	var o Outcome
	var err error
	if o.DoneWritten, err = exists(ctx, store, scope.file(doneFile)); err != nil {
		return Outcome{}, err
	}
	if o.DataWritten, err = exists(ctx, store, scope.file(dataFile)); err != nil {
		return Outcome{}, err
	}
	if !o.DoneWritten {
		return o, nil
	}
	told, err := readTransition(ctx, store, scope)
	switch {
	case err == nil:
		o.Transition, o.TaskOK, o.ClonedFrom = &told.Transition, &told.TaskOK, told.ClonedFrom
	case !errors.Is(err, fs.ErrNotExist):
		return Outcome{}, err
	case o.DataWritten:
		o.TaskOK, err = readTaskOK(ctx, store, scope.file(dataFile))
		if err != nil {
			return Outcome{}, err
		}
	}
	return o, nil
}

func exists(ctx context.Context, store objstore.Store, key string) (bool, error) {
	_, err := store.Stat(ctx, key)
	return err == nil, unless(err, fs.ErrNotExist)
}

func readTransition(ctx context.Context, store objstore.Store, scope Scope) (*transitionRecord, error) {
	key := scope.file(transitionFile)
	body, _, err := objstore.ReadAll(ctx, store, key, longestTransition)
	if err != nil {
		return nil, err
	}
	told, err := parseTransition(body)
	if err == nil && told.Attempt != scope.Attempt {
		err = fmt.Errorf("it is of attempt %d", told.Attempt)
	}
	if err != nil {
		return nil, &MalformedError{Key: key, Writer: "a launcher", Err: err}
	}
	return told, nil
}

func parseTransition(body []byte) (*transitionRecord, error) {
	var told transitionRecord
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, err
	}
	if told.Version != recordVersion {
		return nil, fmt.Errorf("it has version %d, this launcher knows %d", told.Version, recordVersion)
	}
	return &told, told.check()
}

func readTaskOK(ctx context.Context, store objstore.Store, key string) (*bool, error) {
	body, _, err := objstore.ReadAll(ctx, store, key, longestData)
	if err != nil {
		return nil, err
	}
	ok, err := taskOKOf(objstore.Bytes(body))
	if err != nil {
		return nil, &MalformedError{Key: key, Writer: "Metaflow", Err: err}
	}
	return ok, nil
}

// taskOKOf reads data.json as far as its _task_ok can be told without
// unpickling: true or unknown.
func taskOKOf(data objstore.Source) (*bool, error) {
	if data.Size() > longestData {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are read", data.Size(), longestData)
	}
	r, err := data.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var d struct {
		Objects map[string]string `json:"objects"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	if d.Objects["_task_ok"] == trueKey {
		return new(true), nil
	}
	return nil, nil
}
