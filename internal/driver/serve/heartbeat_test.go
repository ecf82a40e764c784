package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// TestHeartbeats: open runs are beaten, with the headers; ended ones and
// those without a service are not.
func TestHeartbeats(t *testing.T) {
	beaten := make(chan string, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		beaten <- r.Method + " " + r.URL.Path + " " + r.Header.Get("x-api-key")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer service.Close()
	cfg := config(t)
	cfg.ServiceHeaders = `{"x-api-key": "k"}`
	s := start(t, cfg)
	with, without := scheduletest.Flow("only end"), scheduletest.Flow("only end")
	with.Environment = map[string]string{"METAFLOW_SERVICE_URL": service.URL + "/"}
	c := open(t, s, "", "kfp-1", with)
	open(t, s, "", "kfp-2", without)

	headers, err := serviceHeaders(cfg.ServiceHeaders)
	if err != nil {
		t.Fatal(err)
	}
	h := newHeartbeats(s.store, s.dispatcher, headers, cfg.Logger)
	defer h.client.CloseIdleConnections()
	for range 2 {
		h.beatAll(t.Context())
		if got := <-beaten; got != "POST /flows/TestFlow/runs/kfp-1/heartbeat k" {
			t.Errorf("beat: %s", got)
		}
	}
	if !h.runs["kfp-1"].failed || h.runs["kfp-2"].url != "" {
		t.Errorf("runs: %+v", h.runs)
	}
	if err := c.CancelRun(t.Context(), "kfp-1", "by hand"); err != nil {
		t.Fatal(err)
	}
	h.beatAll(t.Context())
	if len(beaten) > 0 || h.runs["kfp-1"] != nil {
		t.Errorf("a cancelled run is beaten: %s", <-beaten)
	}
}
