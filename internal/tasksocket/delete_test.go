package tasksocket

import (
	"slices"
	"testing"
)

func TestDelete(t *testing.T) {
	f := serve(t, nil)
	const one, below, beside, other = "mf.checkpoints/a/one", "mf.checkpoints/a/one/x/y", "mf.checkpoints/a/one.metadata", "mf.checkpoints/a/two"
	for _, key := range []string{one, below, beside, other, "F/kfp-1/train/t-0/1.x", "F/data/ab/x"} {
		f.put(key, "content")
	}
	c := f.connect()
	c.ok(fields{"op": "delete", "type": "s3", "root": "r", "paths": []string{other, "mf.checkpoints/nowhere"}})
	c.ok(fields{"op": "delete", "type": "s3", "root": "r", "paths": []string{one}, "below": true})
	for _, path := range []string{"F", "F/kfp-1/train/t-0/1.x", "F/data", "", "../F"} {
		class := "permission"
		if path == "" || path == "../F" {
			class = "invalid"
		}
		c.fails(class, fields{"op": "delete", "type": "s3", "root": "r", "paths": []string{beside, path}, "below": true})
	}
	f.guard.lose()
	c.fails("fenced", fields{"op": "delete", "type": "s3", "root": "r", "paths": []string{beside}})
	var left []string
	for info, err := range f.store.Store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, info.Key)
	}
	if want := []string{"F/data/ab/x", "F/kfp-1/train/t-0/1.x", beside}; !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
}
