package tasksocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// Inputs names the tasks whose outputs the attempt reads. All of them are done,
// so what is stored of them is final.
type Inputs struct {
	// Type and Root are those of the flow's datastore.
	Type, Root string
	// Tasks are folders below the root, <Flow>/<run>/<step>/<task>, in the
	// order of the splits.
	Tasks []string
}

const (
	// mostAhead bounds the files that are fetched before the child asks.
	mostAhead = 4096
	// few inputs are those of a step that does not join a foreach: it asks for
	// their control artifacts at once.
	few = 4
)

// inputs answers what the child asks of the tasks before it. Most of it is
// fetched while the child's interpreter starts: one listing for all tasks, then
// each one's data.json. What could not be fetched is asked for as if nothing
// had been tried.
type inputs struct {
	s     *Server
	store objstore.Store
	place map[string]int
	tasks []input

	// listed is closed when the listing is there, or will not be.
	listed chan struct{}

	index index
	ahead *ahead

	learning sync.Once
	stacks   *stacks
}

type input struct {
	folder string
	attempts
	// ahead is set for a data.json that is being fetched, and closed when it
	// is in the file, or will not be.
	ahead chan struct{}
	file  string
}

func newInputs(s *Server, in Inputs) (*inputs, error) {
	store, err := s.cfg.Stores.Store(in.Type, in.Root)
	if err != nil {
		return nil, fmt.Errorf("the inputs' datastore: %w", err)
	}
	all := &inputs{s: s, store: store, place: make(map[string]int, len(in.Tasks)), tasks: make([]input, len(in.Tasks)), listed: make(chan struct{}), ahead: newAhead()}
	for i, folder := range in.Tasks {
		all.place[folder] = i
		all.tasks[i].folder = folder
		if i < mostAhead {
			all.tasks[i].ahead = make(chan struct{})
		}
	}
	all.index.init(len(in.Tasks))
	return all, nil
}

// fetch goes ahead of the child.
func (in *inputs) fetch(ctx context.Context) {
	defer func() {
		for i := range in.tasks {
			if c := in.tasks[i].ahead; c != nil && !closed(c) {
				close(c)
			}
		}
	}()
	folders := make([]string, len(in.tasks))
	for i := range in.tasks {
		folders[i] = in.tasks[i].folder
	}
	found, err := listTasks(ctx, in.store, folders)
	if err == nil {
		for i := range in.tasks {
			in.tasks[i].attempts = *found[in.tasks[i].folder]
		}
	}
	close(in.listed)
	if err != nil {
		in.s.cfg.Logger.Debug("task socket: the inputs could not be listed ahead", "error", err)
		return
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range in.tasks {
		if in.tasks[i].ahead == nil || ctx.Err() != nil {
			break
		}
		group.Go(func() error { return in.fetchData(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		in.s.cfg.Logger.Debug("task socket: the inputs could not be read ahead", "error", err)
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (in *inputs) fetchData(ctx context.Context, i int) error {
	t := &in.tasks[i]
	if !t.final() {
		close(t.ahead)
		return nil
	}
	name := in.s.spoolName("ahead")
	err := in.data(ctx, i, name)
	if err == nil {
		t.file = name
	}
	close(t.ahead)
	if err == nil && len(in.tasks) <= few {
		for _, key := range in.index.control(i) {
			// It is only ahead: the child's own load says what is wrong.
			_ = in.s.cfg.Artifacts.Fetch(ctx, in.store, in.contentKey(key))
		}
	}
	return err
}

func (in *inputs) contentKey(sha string) string {
	flow, _, _ := strings.Cut(in.tasks[0].folder, "/")
	return flow + "/data/" + sha[:2] + "/" + sha
}

// data fetches a task's data.json and keeps in mind what it says.
func (in *inputs) data(ctx context.Context, i int, name string) error {
	t := &in.tasks[i]
	number := 0
	for t.begun>>(number+1) != 0 {
		number++
	}
	body, _, err := objstore.ReadAll(ctx, in.store, fmt.Sprintf("%s/%d.%s", t.folder, number, dataFile), longestData)
	if err != nil {
		return err
	}
	in.index.learn(i, body)
	return os.WriteFile(name, body, 0o600)
}

// of returns the input whose file this is, once the listing knows it to be
// final.
func (in *inputs) of(ctx context.Context, store objstore.Store, key string) (i int, ok bool) {
	if in == nil || store != in.store {
		return 0, false
	}
	i, ok = in.place[path.Dir(key)]
	if !ok {
		return 0, false
	}
	select {
	case <-in.listed:
	case <-ctx.Done():
		return 0, false
	}
	return i, in.tasks[i].final()
}

// exists says whether an input has the file, where that is known.
func (in *inputs) exists(ctx context.Context, store objstore.Store, key string) (there, known bool) {
	i, ok := in.of(ctx, store, key)
	if !ok {
		return false, false
	}
	return in.tasks[i].has(path.Base(key))
}

// load makes the file name of what is known of an input's file. The content of
// DONE.lock is always the same; attempt.json holds when the attempt began,
// which is when that file was written.
func (in *inputs) load(ctx context.Context, store objstore.Store, key, name string) (done bool, err error) {
	i, ok := in.of(ctx, store, key)
	if !ok {
		return false, nil
	}
	t := &in.tasks[i]
	if has, known := t.has(path.Base(key)); !known || !has {
		return false, nil
	}
	number, _ := attemptOf(path.Base(key))
	newest := t.begun>>(number+1) == 0
	switch path.Base(key) {
	case fmt.Sprintf("%d.%s", number, doneFile):
		return true, os.WriteFile(name, []byte(`""`), 0o600)
	case fmt.Sprintf("%d.%s", number, attemptFile):
		if !newest {
			return false, nil
		}
		return true, os.WriteFile(name, fmt.Appendf(nil, `{"time": %.6f}`, float64(t.at.UnixMicro())/1e6), 0o600)
	}
	if !newest || path.Base(key) != fmt.Sprintf("%d.%s", number, dataFile) {
		return false, nil
	}
	if t.ahead == nil {
		return true, in.data(ctx, i, name)
	}
	select {
	case <-t.ahead:
	case <-ctx.Done():
		return false, nil
	}
	// It is the child's from now on; whoever asks again gets another.
	err = fs.ErrNotExist
	if t.file != "" {
		err = os.Rename(t.file, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = in.data(ctx, i, name)
	}
	return true, err
}

// explain says which artifact it is that could not be loaded, where an input
// names it.
func (in *inputs) explain(store objstore.Store, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("the datastore has no object %s, which must hold its content: was it removed, by a rule for old objects for one? %w", key, err)
	}
	if in == nil || store != in.store {
		return fmt.Errorf("load %s: %w", path.Base(key), err)
	}
	i, name, ok := in.index.owner(path.Base(key))
	if !ok {
		return fmt.Errorf("load %s: %w", path.Base(key), err)
	}
	return fmt.Errorf("load artifact %q of %s: %w", name, in.tasks[i].folder, err)
}
