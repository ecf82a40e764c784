package tasksocket

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// index is what the inputs' data.json say of their artifacts.
type index struct {
	mu sync.Mutex
	// objects holds, by input, its artifacts by their names, while there is
	// room.
	objects []map[string]reference
	room    int
	// stacks says whose foreach stack a key is, and values which list of
	// values belongs to it: the same for all inputs of a join.
	stacks map[[20]byte]int
	values string
}

type reference struct {
	sha  string
	size int64
}

// mostIndexed bounds the artifacts that are kept in mind.
const mostIndexed = 200_000

func (x *index) init(inputs int) {
	x.objects, x.room, x.stacks = make([]map[string]reference, inputs), mostIndexed, map[[20]byte]int{}
}

func (x *index) learn(i int, body []byte) {
	var d struct {
		Objects map[string]string `json:"objects"`
		Info    map[string]struct {
			Size int64 `json:"size"`
		} `json:"info"`
	}
	if json.Unmarshal(body, &d) != nil {
		return // the child reads it too, and says so
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if sha := d.Objects["_foreach_stack"]; isKey(sha) {
		x.stacks[binaryKey(sha)] = i
		x.values = d.Objects["_foreach_values"]
	}
	if x.objects[i] != nil || len(d.Objects) > x.room {
		return
	}
	x.room -= len(d.Objects)
	x.objects[i] = make(map[string]reference, len(d.Objects))
	for name, sha := range d.Objects {
		if isKey(sha) {
			x.objects[i][name] = reference{sha, d.Info[name].Size}
		}
	}
}

func binaryKey(sha string) (key [20]byte) {
	_, _ = hex.Decode(key[:], []byte(sha)) // it is a key
	return key
}

func (x *index) stackOf(sha string) (int, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.stacks[binaryKey(sha)]
	return i, ok
}

func (x *index) valuesOf(int) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.values
}

// noneKey is the SHA-1 of None as Metaflow pickles it; what is None is told by
// its type and never loaded.
const noneKey = "dbc1aaddc8b7343d6d33b34edcf608b8f8801918"

// control returns the keys of what Metaflow reads first of an input.
func (x *index) control(i int) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var keys []string
	for _, name := range []string{"_foreach_stack", "_iteration_stack", "_foreach_var", "_foreach_num_splits", "_foreach_values", "_graph_info"} {
		if o := x.objects[i][name]; o.sha != "" && o.sha != noneKey {
			keys = append(keys, o.sha)
		}
	}
	return keys
}

// find says of which input's artifact this is the key, looking at the inputs
// from the one after the last that was found, and at the first.
func (x *index) find(sha string, near int) (i int, name string, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, i := range []int{near, near + 1, 0} {
		if i >= len(x.objects) {
			continue
		}
		for name, o := range x.objects[i] {
			if o.sha == sha {
				return i, name, true
			}
		}
	}
	return 0, "", false
}

// artifact returns an input's artifact by its name.
func (x *index) artifact(i int, name string) (reference, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i >= len(x.objects) {
		return reference{}, false
	}
	o, ok := x.objects[i][name]
	return o, ok
}

// owner says whose artifact the key is, and under which name.
func (x *index) owner(sha string) (i int, name string, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, objects := range x.objects {
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			if objects[name].sha == sha {
				return i, name, true
			}
		}
	}
	return 0, "", false
}
