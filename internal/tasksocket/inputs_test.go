package tasksocket

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

const splits = 500

// foreach stores what the tasks of a foreach leave, and serves their join.
type foreach struct {
	*fixture
	tasks  []string
	ys     []string // their own artifact's keys
	stacks []string
}

// sealed stores content under its own key.
func sealed(t *testing.T, store *mem.Store, content string) string {
	t.Helper()
	key := contentKey(content)
	if err := artifact.New(artifact.Config{}).Save(t.Context(), store, key, objstore.Bytes(content), false, nil); err != nil {
		t.Fatal(err)
	}
	return key
}

func joining(t *testing.T, n int, prepare func(*foreach, *mem.Store)) *foreach {
	t.Helper()
	f := &foreach{}
	store := mem.New()
	put := func(key, content string) {
		if err := store.Put(t.Context(), key, objstore.Bytes(content), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	values := sealed(t, store, valuesOf(n))
	for i := range n {
		task := fmt.Sprintf("F/kfp-1/work/t-%d", i)
		y, stack := sealed(t, store, fmt.Sprintf("y of %d", i)), sealed(t, store, stackOf(i, n))
		f.tasks, f.ys, f.stacks = append(f.tasks, task), append(f.ys, y), append(f.stacks, stack)
		put(task+"/0.attempt.json", `{"time": 1}`)
		put(task+"/0.DONE.lock", `""`)
		put(task+"/0.task_stdout.log", "log")
		put(task+"/0.data.json", fmt.Sprintf(`{"attempt":0,"objects":{"y":%q,"_foreach_stack":%q,"_foreach_values":%q},"info":{"y":{"size":8}}}`,
			filepath.Base(y), filepath.Base(stack), filepath.Base(values)))
	}
	if prepare != nil {
		prepare(f, store)
	}
	watched := &spy{Store: store}
	f.fixture = serve(t, func(c *Config) {
		c.Stores, c.Inputs = storesFunc(watched.store), Inputs{Type: "s3", Root: "s3://b/p", Tasks: f.tasks}
		c.Artifacts = artifact.New(artifact.Config{TempDir: t.TempDir(), CacheDir: t.TempDir(), CacheBytes: 1 << 30})
	})
	f.store = watched
	return f
}

// stackOf is the foreach stack of a split as Metaflow pickles it.
func stackOf(i, splits int) string {
	body := "]\x94\x8c\x08__main__\x94\x8c\x0cForeachFrame\x94\x93\x94(\x8c\x04work\x94\x8c\x02xs\x94"
	for _, n := range []int{splits, i} {
		if n < 1<<8 {
			body += "K" + string([]byte{byte(n)})
		} else {
			body += string(binary.LittleEndian.AppendUint16([]byte{'M'}, uint16(n)))
		}
	}
	value := fmt.Sprint(i)
	body += "\x8c" + string([]byte{byte(len(value))}) + value + "\x94t\x94\x81\x94a."
	return framed(body)
}

func valuesOf(n int) string {
	body := "]\x94("
	for i := range n {
		value := fmt.Sprint(i)
		body += "\x8c" + string([]byte{byte(len(value))}) + value + "\x94"
	}
	return framed(body + "e.")
}

func framed(body string) string {
	return string(binary.LittleEndian.AppendUint64([]byte{0x80, 4, 0x95}, uint64(len(body)))) + body
}

// probe asks for what Metaflow's wide join asks of every input.
func (f *foreach) probe(c *client) (there int) {
	var paths []string
	ask := func() {
		for _, entry := range c.ok(on("load", fields{"paths": paths}))["files"].([]any) {
			e := entry.(map[string]any)
			if e["file"] == nil {
				continue
			}
			there++
			f.check(c.t, e["path"].(string), e["file"].(string))
		}
		paths = nil
	}
	for _, task := range f.tasks {
		for n := range 6 {
			for _, name := range []string{"data.json", "attempt.json", "DONE.lock"} {
				if paths = append(paths, fmt.Sprintf("%s/%d.%s", task, n, name)); len(paths) == 1000 {
					ask()
				}
			}
		}
	}
	ask()
	return there
}

func (f *foreach) check(t *testing.T, path, file string) {
	got, err := os.ReadFile(file)
	switch {
	case err != nil:
		t.Error(err)
	case strings.HasSuffix(path, doneFile) && string(got) != `""`, strings.HasSuffix(path, attemptFile) && !strings.HasPrefix(string(got), `{"time": 1`),
		strings.HasSuffix(path, dataFile) && !strings.Contains(string(got), "_foreach_stack"):
		t.Errorf("%s holds %s", path, got)
	}
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
}

// counts groups the store's calls by what they are about.
func counts(calls []string) map[string]int {
	found := map[string]int{}
	for _, call := range calls {
		op, key, _ := strings.Cut(call, " ")
		switch {
		case isContent(key):
			found[op+" content"]++
		case op == "list":
			found[call]++
		default:
			_, name, _ := strings.Cut(filepath.Base(key), ".")
			found[op+" "+name]++
		}
	}
	return found
}

func wantCounts(t *testing.T, calls []string, want map[string]int) {
	t.Helper()
	got := counts(calls)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the store was asked %v, want %v", got, want)
	}
}

// A join of 500 inputs that reads one artifact of each costs one listing, each
// input's data.json and artifact once, and of the foreach stacks one.
func TestWideJoin(t *testing.T) {
	f := joining(t, splits, nil)
	c := f.connect()
	if got := c.ok(on("is_file", fields{"paths": []string{f.tasks[3] + "/0.attempt.json", f.tasks[3] + "/1.attempt.json"}}))["exists"].([]any); got[0] != true || got[1] != false {
		t.Errorf("is_file: %v", got)
	}
	if there := f.probe(c); there != 3*splits {
		t.Errorf("%d files are there, want %d", there, 3*splits)
	}
	for i, entry := range c.ok(on("load", fields{"paths": f.stacks}))["files"].([]any) {
		if got, err := os.ReadFile(entry.(map[string]any)["file"].(string)); err != nil || string(got) != stackOf(i, splits) {
			t.Fatalf("stack %d is %q, %v", i, got, err)
		}
	}
	for i, y := range f.ys {
		file := c.ok(on("load", fields{"paths": []string{y}}))["files"].([]any)[0].(map[string]any)["file"].(string)
		if got, err := os.ReadFile(file); err != nil || string(got) != fmt.Sprintf("y of %d", i) {
			t.Fatalf("y of %d is %q, %v", i, got, err)
		}
	}
	f.outcome()
	wantCounts(t, f.store.noted(), map[string]int{"list F/kfp-1/work/t-": 1, "get data.json": splits, "get content": splits + 2})
}

// Who reads an artifact of two inputs in a row gets the next ones brought near;
// who jumps about does not.
func TestReadingIsGoneAheadOf(t *testing.T) {
	for name, r := range map[string]struct {
		read []int
		want int
	}{"in a row": {[]int{0, 1}, 2 + aheadInputs - 1}, "here and there": {[]int{0, 7, 3}, 3}, "the last": {[]int{98, 99}, 2}} {
		t.Run(name, func(t *testing.T) {
			f := joining(t, 100, nil)
			c := f.connect()
			f.probe(c)
			for _, i := range r.read {
				c.ok(on("load", fields{"paths": []string{f.ys[i]}}))
			}
			f.outcome() // what goes on in the background has ended
			if got := counts(f.store.noted())["get content"]; got != r.want && !(name == "in a row" && got > 2 && got < r.want) {
				t.Errorf("%d artifacts were fetched, want %d", got, r.want)
			}
		})
	}
}

// Stacks that do not follow from one another are fetched.
func TestOtherStacks(t *testing.T) {
	for name, change := range map[string]func(*foreach, *mem.Store){
		"of other bytes": func(f *foreach, s *mem.Store) {
			f.stacks[7] = sealed(t, s, "something else")
			replace(t, s, f.tasks[7]+"/0.data.json", stackOf(7, 20), "something else")
		},
		"other values": func(f *foreach, s *mem.Store) {
			for i := range f.tasks {
				replace(t, s, f.tasks[i]+"/0.data.json", valuesOf(20), "no list at all")
			}
			sealed(t, s, "no list at all")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := joining(t, 20, change)
			c := f.connect()
			f.probe(c)
			for i, entry := range c.ok(on("load", fields{"paths": f.stacks}))["files"].([]any) {
				if got, err := os.ReadFile(entry.(map[string]any)["file"].(string)); err != nil || contentKey(string(got)) != f.stacks[i] {
					t.Errorf("stack %d is %q, %v", i, got, err)
				}
			}
		})
	}
}

// replace writes another content's SHA-1 for one's.
func replace(t *testing.T, s *mem.Store, key, old, now string) {
	t.Helper()
	data, _, err := objstore.ReadAll(t.Context(), s, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), sha(old), sha(now))
	if err := s.Put(t.Context(), key, objstore.Bytes(text), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func sha(content string) string {
	sum := sha1.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

// An input that is not final, or not there, is asked for like anything else.
func TestInputsThatAreNotDone(t *testing.T) {
	f := joining(t, 10, func(f *foreach, s *mem.Store) {
		if err := s.Delete(t.Context(), f.tasks[4]+"/0.DONE.lock"); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), f.tasks[5]+"/1.attempt.json", objstore.Bytes(`{"time": 1}`), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		f.tasks = append(f.tasks, "F/kfp-1/work/t-10")
	})
	c := f.connect()
	if there := f.probe(c); there != 3*10-1+1 {
		t.Errorf("%d files are there", there)
	}
	f.outcome()
	got := counts(f.store.noted())
	if got["list "+f.tasks[4]+"/"] != 1 || got["list "+f.tasks[5]+"/"] != 1 || got["list "+f.tasks[10]+"/"] != 1 || got["get data.json"] != 10 {
		t.Errorf("%v", got)
	}
}

// The inner join of a nested foreach does not list all that its step holds.
func TestInnerForeach(t *testing.T) {
	f := joining(t, 6, func(f *foreach, s *mem.Store) {
		for i := range 3000 { // beside t-0 .. t-5
			if err := s.Put(t.Context(), fmt.Sprintf("F/kfp-1/work/t-3-%04d/0.attempt.json", i), objstore.Bytes("x"), objstore.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if there := f.probe(f.connect()); there != 3*6 {
		t.Errorf("%d files are there", there)
	}
	f.outcome()
	got := counts(f.store.noted())
	if got["list F/kfp-1/work/t-"] != 1 || got["list F/kfp-1/work/t-2/"] != 0 || got["list F/kfp-1/work/t-5/"] != 1 {
		t.Errorf("%v", got)
	}
}

// A step with one input asks for its control artifacts one after the other:
// they are near by then.
func TestControlArtifactsAreFetchedOnce(t *testing.T) {
	f := joining(t, 1, nil)
	c := f.connect()
	for range 2 {
		if there := f.probe(c); there != 3 {
			t.Errorf("%d files are there", there)
		}
		for range 3 {
			c.ok(on("load", fields{"paths": f.stacks}))
		}
	}
	f.outcome()
	if got := counts(f.store.noted()); got["get content"] != 2 || got["get data.json"] != 2 {
		t.Errorf("%v", got)
	}
}

// What cannot be loaded is named as the user knows it, and as the store does.
func TestWhatCannotBeLoadedIsNamed(t *testing.T) {
	f := joining(t, 3, func(f *foreach, s *mem.Store) {
		if err := s.Delete(t.Context(), f.ys[1]); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), f.ys[2], objstore.Bytes("no gzip"), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	c := f.connect()
	f.probe(c)
	for i, class := range map[int]string{1: "not_found", 2: "internal"} {
		said := c.fails(class, on("load", fields{"paths": []string{f.ys[i]}}))
		if !strings.Contains(said, `artifact "y" of `+f.tasks[i]) || !strings.Contains(said, f.ys[i]) {
			t.Errorf("%s", said)
		}
	}
	said := c.fails("not_found", on("load", fields{"paths": []string{contentKey("nowhere")}}))
	if !strings.Contains(said, contentKey("nowhere")) {
		t.Errorf("%s", said)
	}
}
