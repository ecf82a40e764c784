package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

const (
	// beatEvery is the service's own pace: it answers 404 to a beat that
	// comes earlier.
	beatEvery   = 10 * time.Second
	beatTimeout = 5 * time.Second
	beatsAtOnce = 16
)

// heartbeats tell Metaflow's metadata service that the open runs are alive:
// while a run waits for a pod nobody else does, and the UI calls a run failed
// that was silent for some minutes.
type heartbeats struct {
	store      runstore.Store
	dispatcher *dispatch.Dispatcher
	headers    http.Header
	client     *http.Client
	logger     *slog.Logger
	// runs are those beaten so far. Owned by run.
	runs map[string]*beat
}

// beat is one run's; url is empty when its flow has no service.
type beat struct {
	url    string
	failed bool
}

func newHeartbeats(store runstore.Store, d *dispatch.Dispatcher, headers http.Header, logger *slog.Logger) *heartbeats {
	return &heartbeats{
		store: store, dispatcher: d, headers: headers, logger: logger, runs: map[string]*beat{},
		client: &http.Client{
			Timeout:   beatTimeout,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: beatsAtOnce},
			// The headers are a secret of this service's, not of where it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (h *heartbeats) run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	repeat(ctx, beatEvery, h.beatAll)
}

// beatAll beats every open run once.
func (h *heartbeats) beatAll(ctx context.Context) {
	running, err := openRuns(ctx, h.store)
	if err != nil {
		return // the store's trouble is told elsewhere
	}
	before := h.runs
	h.runs = map[string]*beat{}
	var group errgroup.Group
	group.SetLimit(beatsAtOnce)
	for _, run := range running {
		b := before[run]
		if b == nil {
			if b, err = h.find(ctx, run); err != nil {
				continue // tried again at the next beat
			}
		}
		h.runs[run] = b
		if b.url != "" {
			group.Go(func() error { h.send(ctx, run, b); return nil })
		}
	}
	_ = group.Wait()
}

// find reads from the run's definition where to beat.
func (h *heartbeats) find(ctx context.Context, runID string) (*beat, error) {
	b := &beat{}
	err := h.dispatcher.View(ctx, runID, func(r *schedule.Run) {
		if service := r.Definition().Environment["METAFLOW_SERVICE_URL"]; service != "" {
			b.url = strings.TrimRight(service, "/") + "/flows/" + url.PathEscape(r.Definition().Flow) + "/runs/" + url.PathEscape(runID) + "/heartbeat"
		}
	})
	return b, err
}

// send beats one run. A failure is told once per run: it recurs every few
// seconds, and the run does not depend on it.
func (h *heartbeats) send(ctx context.Context, runID string, b *beat) {
	err := h.post(ctx, b.url)
	if err != nil && !b.failed && ctx.Err() == nil {
		b.failed = true
		h.logger.Warn("heartbeat failed; the run goes on, Metaflow's UI may call it failed", "run", runID, "url", b.url, "error", err)
	}
}

func (h *heartbeats) post(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	request.Header = h.headers.Clone()
	request.Header.Set("Content-Type", "application/json")
	reply, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(reply.Body, 64<<10))
	// 404: the run is not registered yet, or was beaten by another just now.
	if reply.StatusCode >= 300 && reply.StatusCode != http.StatusNotFound {
		return fmt.Errorf("answered %s", reply.Status)
	}
	return nil
}
