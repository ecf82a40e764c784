package kfp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// DefaultExperiment is the one every server has.
const DefaultExperiment = "Default"

// Experiment finds the experiment of that name, or makes it.
func (c *Client) Experiment(ctx context.Context, name string) (*Experiment, error) {
	found, err := c.findExperiment(ctx, name)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return found, err
	}
	in := map[string]string{"display_name": name}
	if c.cfg.Namespace != "" {
		in["namespace"] = c.cfg.Namespace
	}
	out := new(Experiment)
	err = c.post(ctx, fmt.Sprintf("create experiment %q", name), "/experiments", in, out)
	if errors.Is(err, ErrExists) {
		// Somebody was faster.
		return c.findExperiment(ctx, name)
	}
	return out, err
}

func (c *Client) findExperiment(ctx context.Context, name string) (*Experiment, error) {
	op := fmt.Sprintf("find experiment %q", name)
	filter, err := json.Marshal(map[string]any{"predicates": []map[string]string{
		{"operation": "EQUALS", "key": "display_name", "string_value": name},
	}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	query := url.Values{"filter": {string(filter)}, "page_size": {"10"}}
	if c.cfg.Namespace != "" {
		query.Set("namespace", c.cfg.Namespace)
	}
	var page struct {
		Experiments []Experiment `json:"experiments"`
	}
	if err := c.get(ctx, op, "/experiments", query, &page); err != nil {
		return nil, err
	}
	for i := range page.Experiments {
		if page.Experiments[i].DisplayName == name {
			return &page.Experiments[i], nil
		}
	}
	return nil, &Error{Op: op, URL: c.base, Class: ErrNotFound}
}

// CreateRun starts a run. It is never sent twice: a second request would
// start a second run.
func (c *Client) CreateRun(ctx context.Context, run NewRun) (*Run, error) {
	out := new(Run)
	if err := c.post(ctx, fmt.Sprintf("start run %q", run.DisplayName), "/runs", run, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Run returns a run with its tasks.
func (c *Client) Run(ctx context.Context, id string) (*Run, error) {
	out := new(Run)
	return out, c.get(ctx, "get run "+id, "/runs/"+url.PathEscape(id), nil, out)
}

// ListRuns lists the newest runs, at most limit.
func (c *Client) ListRuns(ctx context.Context, limit int) ([]Run, error) {
	var page struct {
		Runs []Run `json:"runs"`
	}
	query := url.Values{"page_size": {fmt.Sprint(limit)}, "sort_by": {"created_at desc"}}
	if c.cfg.Namespace != "" {
		query.Set("namespace", c.cfg.Namespace)
	}
	return page.Runs, c.get(ctx, "list runs", "/runs", query, &page)
}

// Terminate stops a run. KFP ends it as FAILED.
func (c *Client) Terminate(ctx context.Context, id string) error {
	return c.post(ctx, "terminate run "+id, "/runs/"+url.PathEscape(id)+":terminate", nil, nil)
}

// Retry makes anew what failed or was omitted; what succeeded stays.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.post(ctx, "retry run "+id, "/runs/"+url.PathEscape(id)+":retry", nil, nil)
}

// DeleteRun forgets a run.
func (c *Client) DeleteRun(ctx context.Context, id string) error {
	return c.do(ctx, request{op: "delete run " + id, method: http.MethodDelete, path: "/runs/" + url.PathEscape(id)}, nil)
}
