package login_test

import (
	"net/http"
	"testing"

	"github.com/millrace/millrace/internal/objstore/login"
)

// server answers with one status after the other.
type server []int

func (s *server) Do(request *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: (*s)[0], Request: request}
	*s = (*s)[1:]
	return answer, nil
}

// Credentials that never worked are refused for good; those that did are
// replaced once, however many of their requests were under way.
func TestRefused(t *testing.T) {
	var kept login.Kept[login.Doer]
	made := 0
	ask := func(status int) *http.Response {
		t.Helper()
		client, err := kept.Client(func(l *login.Login) (login.Doer, error) {
			made++
			return l.Through(&server{404, 401, 401, 200}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store.invalid", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil || answer.StatusCode != status {
			t.Fatalf("%v, %v: want %d", answer, err, status)
		}
		return answer
	}
	ask(404)
	first, second := ask(401), ask(401)
	if !kept.Refused(first) {
		t.Error("what worked until then is not worth another try")
	}
	ask(404)
	if !kept.Refused(second) {
		t.Error("a request of the client before is not worth another try")
	}
	ask(401)
	if made != 2 {
		t.Errorf("%d clients were made, want 2", made)
	}
}

func TestNeverWorked(t *testing.T) {
	var kept login.Kept[login.Doer]
	for range 2 {
		client, _ := kept.Client(func(l *login.Login) (login.Doer, error) { return l.Through(&server{403}), nil })
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store.invalid", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil || kept.Refused(answer) {
			t.Errorf("%v: credentials that never worked are worth another try", err)
		}
	}
	if kept.Refused(nil) || kept.Refused(&http.Response{}) {
		t.Error("an answer to nobody is worth another try")
	}
}
