package metadata

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const beatEvery = 10 * time.Second

// Beat sends heartbeats of the task until ctx ends.
func (t *Task) Beat(ctx context.Context) {
	complained := false
	for {
		every, err := t.beat(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			complained = false
		case !complained:
			complained = true
			t.client.cfg.Logger.Warn("a heartbeat was not taken; it goes on", "error", err)
		}
		if sleep(ctx, every) != nil {
			return
		}
	}
}

// beat sends one heartbeat and returns the pause that the service asks for.
func (t *Task) beat(ctx context.Context) (time.Duration, error) {
	got, err := t.client.try(ctx, http.MethodPost, t.path()+"/heartbeat", []byte("{}"))
	if err != nil {
		return beatEvery, err
	}
	if got.status >= 300 {
		return beatEvery, fmt.Errorf("metadata service: the heartbeat was answered %d: %.200s", got.status, got.body)
	}
	return pauseOf(got.body), nil
}

// pauseOf reads the answer to a heartbeat: a JSON string that holds JSON.
func pauseOf(body []byte) time.Duration {
	var text string
	var asked struct {
		Seconds float64 `json:"wait_time_in_seconds"`
	}
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	if json.Unmarshal(body, &asked) != nil || asked.Seconds <= 0 {
		return beatEvery
	}
	// A service's slip must neither flood it nor make the task look dead.
	return time.Duration(min(max(asked.Seconds, 1), 60) * float64(time.Second))
}
