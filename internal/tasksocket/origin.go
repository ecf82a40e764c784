package tasksocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/objstore"
)

// attemptFile is an attempt's first.
const attemptFile = "attempt.json"

// continued is the end of a task's id that went on under a further one when
// its attempts were used up.
var continued = regexp.MustCompile(`-i[1-9][0-9]*$`)

// Origin is the attempt of an earlier run that made a task's success.
type Origin struct {
	// Scope is where it lies.
	Scope Scope
	// Transition is where the flow went on from it.
	Transition Transition

	data []byte
}

// FindOrigin looks for the success of the scope's task, whatever the attempt,
// under its id or one that it went on under. It is nil when the task was not
// there or did not succeed. What cannot be understood is a *MalformedError.
func FindOrigin(ctx context.Context, store objstore.Store, scope Scope) (*Origin, error) {
	scope, found, err := lastAttempt(ctx, store, scope)
	if err != nil || !found {
		return nil, err
	}
	left, err := ReadOutcome(ctx, store, scope)
	if err != nil {
		return nil, err
	}
	succeeded := left.DoneWritten && left.DataWritten
	if !scope.Parameters { // `init` tells neither
		succeeded = succeeded && left.TaskOK != nil && *left.TaskOK && left.Transition != nil
	}
	if !succeeded {
		return nil, nil
	}
	origin := &Origin{Scope: scope}
	if left.Transition != nil {
		origin.Transition = *left.Transition
	}
	if origin.data, _, err = objstore.ReadAll(ctx, store, scope.file(dataFile), longestData); err != nil {
		return nil, err
	}
	if _, err := parseArtifacts(origin.data, scope.Attempt); err != nil {
		return nil, &MalformedError{Key: scope.file(dataFile), Writer: "Metaflow", Err: err}
	}
	return origin, nil
}

// lastAttempt is the scope of the newest attempt of the task's newest id.
func lastAttempt(ctx context.Context, store objstore.Store, scope Scope) (_ Scope, found bool, err error) {
	scope.Task = continued.ReplaceAllString(scope.Task, "")
	latest := scope
	for _, prefix := range []string{scope.Path() + "/", scope.Path() + "-i"} {
		for info, err := range store.List(ctx, prefix) {
			if err != nil {
				return scope, false, err
			}
			task := path.Base(path.Dir(info.Key))
			further, isIt := continuation(scope.Task, task)
			number, isFile := attemptOf(path.Base(info.Key))
			if !isIt || !isFile || number < 0 {
				continue
			}
			present, _ := continuation(scope.Task, latest.Task)
			if !found || further > present || further == present && number > latest.Attempt {
				found, latest.Task, latest.Attempt = true, task, number
			}
		}
	}
	return latest, found, nil
}

// continuation says which id of the task this is: 0 for its own, k for that
// with "-i<k>".
func continuation(task, id string) (int, bool) {
	rest, ok := strings.CutPrefix(id, task)
	if !ok || rest == "" {
		return 0, ok
	}
	if !continued.MatchString(rest) || strings.Count(rest, "-") != 1 {
		return 0, false
	}
	k, err := strconv.Atoi(rest[len("-i"):])
	return k, err == nil
}

// CopyTo makes the attempt what the origin is, by reference to its artifacts,
// as Metaflow's own resume does.
func (o *Origin) CopyTo(ctx context.Context, store objstore.Store, to Scope, fence func(context.Context) error) error {
	var data map[string]json.RawMessage
	if err := json.Unmarshal(o.data, &data); err != nil {
		return &MalformedError{Key: o.Scope.file(dataFile), Writer: "Metaflow", Err: err}
	}
	data["attempt"] = json.RawMessage(strconv.Itoa(to.Attempt))
	told := transitionRecord{
		Version: recordVersion, Attempt: to.Attempt, TaskOK: true, Transition: o.Transition,
		ClonedFrom: &ClonedFrom{Run: o.Scope.Run, Task: o.Scope.Task, Attempt: o.Scope.Attempt},
	}
	if told.Next == nil {
		told.Next = []string{}
	}
	for _, f := range []struct {
		name    string
		content any
		before  failpoint.Name
	}{
		{attemptFile, begunNow(), failpoint.LauncherAttemptStarted},
		{dataFile, data, failpoint.LauncherBeforeData},
		{transitionFile, told, failpoint.LauncherBeforeMillrace},
		{doneFile, "", failpoint.LauncherBeforeDone},
	} {
		if err := failpoint.Hit(f.before); err != nil {
			return err
		}
		body, err := encodeLikePython(f.content)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", to.file(f.name), err)
		}
		err = store.Put(ctx, to.file(f.name), objstore.Bytes(body), objstore.PutOptions{IfAbsent: to.Parameters, Fence: fence})
		if err != nil && !(to.Parameters && errors.Is(err, fs.ErrExist)) {
			return err
		}
	}
	return failpoint.Hit(failpoint.LauncherAfterDone)
}

// encodeLikePython leaves <, > and & alone, as in "<class 'str'>".
func encodeLikePython(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
