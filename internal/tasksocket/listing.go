package tasksocket

import (
	"context"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// attempts is what a listing says of a task: a bit for each attempt that has
// the file.
type attempts struct {
	begun, data, done uint8
	// at is when the newest attempt began.
	at time.Time
}

// mostAttempts is Metaflow's: more than these are never looked for.
const mostAttempts = 6

// add notes one file of the task.
func (a *attempts) add(name string, info objstore.Info) {
	number, ok := attemptOf(name)
	if !ok || number < 0 || number >= mostAttempts {
		return
	}
	bit := uint8(1) << number
	switch _, rest, _ := strings.Cut(name, "."); rest {
	case attemptFile:
		if bit > a.begun {
			a.at = info.Modified
		}
		a.begun |= bit
	case dataFile:
		a.data |= bit
	case doneFile:
		a.done |= bit
	}
}

// final says whether the newest attempt is done: then nothing changes any more.
func (a *attempts) final() bool {
	return a.begun != 0 && a.done&a.data&a.begun > a.begun>>1
}

// has says whether the task has the file; known is false for files that were
// not counted.
func (a *attempts) has(name string) (has, known bool) {
	number, ok := attemptOf(name)
	if !ok || number < 0 || number >= mostAttempts {
		return false, false
	}
	bit := uint8(1) << number
	switch _, rest, _ := strings.Cut(name, "."); rest {
	case attemptFile:
		return a.begun&bit != 0, true
	case dataFile:
		return a.data&bit != 0, true
	case doneFile:
		return a.done&bit != 0, true
	}
	return false, false
}

// strays is how many foreign objects a listing of several tasks at once may
// meet before each task is listed by itself: an inner foreach is a small part
// of its step.
func strays(tasks int) int { return 1000 + 8*tasks }

// listTasks tells of each folder, <Flow>/<run>/<step>/<task>, which attempts it
// holds, by as few listings as may be: the tasks of a foreach have names that
// begin alike.
func listTasks(ctx context.Context, store objstore.Store, folders []string) (map[string]*attempts, error) {
	found := make(map[string]*attempts, len(folders))
	steps := map[string][]string{}
	for _, f := range folders {
		found[f] = &attempts{}
		steps[path.Dir(f)] = append(steps[path.Dir(f)], f)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, tasks := range steps {
		group.Go(func() error {
			rest := tasks
			if len(tasks) > 1 {
				var err error
				if rest, err = listTogether(ctx, store, tasks, found); err != nil {
					return err
				}
			}
			for _, folder := range rest {
				if err := listOne(ctx, store, folder, found[folder]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return found, group.Wait()
}

func listOne(ctx context.Context, store objstore.Store, folder string, into *attempts) error {
	for info, err := range store.List(ctx, folder+"/") {
		if err != nil {
			return err
		}
		into.add(path.Base(info.Key), info)
	}
	return nil
}

// listTogether lists what begins like all the tasks, and returns those that it
// did not get to.
func listTogether(ctx context.Context, store objstore.Store, tasks []string, found map[string]*attempts) ([]string, error) {
	foreign := 0
	for info, err := range store.List(ctx, commonPrefix(tasks)) {
		if err != nil {
			return nil, err
		}
		if task, ok := found[path.Dir(info.Key)]; ok {
			task.add(path.Base(info.Key), info)
			continue
		}
		if foreign++; foreign > strays(len(tasks)) {
			var rest []string
			for _, folder := range tasks {
				if folder+"/\xff" > info.Key { // keys come in order
					*found[folder] = attempts{}
					rest = append(rest, folder)
				}
			}
			return rest, nil
		}
	}
	return nil, nil
}

func commonPrefix(texts []string) string {
	prefix := texts[0]
	for _, t := range texts[1:] {
		for !strings.HasPrefix(t, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
