package tasksocket

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// No attempt before the one that begins lacks its first file; what is there stays.
func TestBeginEarlier(t *testing.T) {
	store := mem.New()
	scope := Scope{Flow: "F", Run: "r", Step: "s", Task: "task", Attempt: 3}
	free := (&guard{}).AwaitWritable
	if err := store.Put(t.Context(), "F/r/s/task/1.attempt.json", objstore.Bytes("mine"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := BeginEarlier(t.Context(), store, scope, free); err != nil {
		t.Fatal(err)
	}
	var got []string
	for info, err := range store.List(t.Context(), scope.Path()+"/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info.Key)
	}
	if want := "F/r/s/task/0.attempt.json F/r/s/task/1.attempt.json F/r/s/task/2.attempt.json"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if body, _, err := objstore.ReadAll(t.Context(), store, "F/r/s/task/1.attempt.json", 100); err != nil || string(body) != "mine" {
		t.Errorf("attempt 1 now says %q, %v", body, err)
	}
	lost := errors.New("lost")
	scope.Attempt = 5
	if err := BeginEarlier(t.Context(), store, scope, (&guard{lost: lost}).AwaitWritable); !errors.Is(err, lost) {
		t.Errorf("a lost lease wrote: %v", err)
	}
}
