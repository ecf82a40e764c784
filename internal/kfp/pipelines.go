package kfp

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
)

// Healthz asks the server for its version.
func (c *Client) Healthz(ctx context.Context) (*Health, error) {
	out := new(Health)
	return out, c.get(ctx, "healthz", "/healthz", nil, out)
}

// PipelineByName finds a pipeline; ErrNotFound when there is none.
func (c *Client) PipelineByName(ctx context.Context, name string) (*Pipeline, error) {
	out := new(Pipeline)
	query := url.Values{}
	if c.cfg.Namespace != "" {
		query.Set("namespace", c.cfg.Namespace)
	}
	op := fmt.Sprintf("find pipeline %q", name)
	if err := c.get(ctx, op, "/pipelines/names/"+url.PathEscape(name), query, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListPipelines lists those of the namespace, newest first.
func (c *Client) ListPipelines(ctx context.Context) ([]Pipeline, error) {
	var all []Pipeline
	query := url.Values{"page_size": {"200"}, "sort_by": {"created_at desc"}}
	if c.cfg.Namespace != "" {
		query.Set("namespace", c.cfg.Namespace)
	}
	for {
		var page struct {
			Pipelines []Pipeline `json:"pipelines"`
			Next      string     `json:"next_page_token"`
		}
		if err := c.get(ctx, "list pipelines", "/pipelines", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Pipelines...)
		if page.Next == "" || len(page.Pipelines) == 0 {
			return all, nil
		}
		query.Set("page_token", page.Next)
	}
}

// CreatePipeline makes a pipeline without versions; ErrExists when the name
// is taken.
func (c *Client) CreatePipeline(ctx context.Context, name, description string) (*Pipeline, error) {
	in := map[string]string{"display_name": name, "name": name, "description": description}
	if c.cfg.Namespace != "" {
		in["namespace"] = c.cfg.Namespace
	}
	out := new(Pipeline)
	if err := c.post(ctx, fmt.Sprintf("create pipeline %q", name), "/pipelines", in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UploadVersion adds a version; ErrExists when its name is taken.
func (c *Client) UploadVersion(ctx context.Context, pipelineID, name, description string, document []byte) (*Version, error) {
	op := fmt.Sprintf("upload version %q", name)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("uploadfile", "pipeline.yaml")
	if err == nil {
		_, err = part.Write(document)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	out := new(Version)
	query := url.Values{"pipelineid": {pipelineID}, "name": {name}, "display_name": {name}, "description": {description}}
	err = c.do(ctx, request{
		op: op, method: http.MethodPost, path: "/pipelines/upload_version", query: query,
		body: body.Bytes(), contentType: form.FormDataContentType(),
	}, out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Versions lists a pipeline's versions, newest first. A server may leave their
// specs out: ask Version for one.
func (c *Client) Versions(ctx context.Context, pipelineID string) ([]Version, error) {
	var all []Version
	query := url.Values{"page_size": {"100"}, "sort_by": {"created_at desc"}}
	for {
		var page struct {
			Versions []Version `json:"pipeline_versions"`
			Next     string    `json:"next_page_token"`
		}
		if err := c.get(ctx, "list versions", "/pipelines/"+url.PathEscape(pipelineID)+"/versions", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Versions...)
		if page.Next == "" || len(page.Versions) == 0 {
			break
		}
		query.Set("page_token", page.Next)
	}
	// The server's clock counts seconds; names of one deployer sort by time.
	slices.SortStableFunc(all, func(a, b Version) int {
		if n := b.CreatedAt.Compare(a.CreatedAt); n != 0 {
			return n
		}
		return cmp.Compare(b.Title(), a.Title())
	})
	return all, nil
}

// Version returns one version with its spec.
func (c *Client) Version(ctx context.Context, pipelineID, versionID string) (*Version, error) {
	out := new(Version)
	path := "/pipelines/" + url.PathEscape(pipelineID) + "/versions/" + url.PathEscape(versionID)
	return out, c.get(ctx, "get version "+versionID, path, nil, out)
}

// DeletePipeline removes a pipeline with its versions; runs stay.
func (c *Client) DeletePipeline(ctx context.Context, pipelineID string) error {
	return c.do(ctx, request{
		op: "delete pipeline " + pipelineID, method: http.MethodDelete,
		path: "/pipelines/" + url.PathEscape(pipelineID), query: url.Values{"cascade": {"true"}},
	}, nil)
}

// PageURL is where people see a run.
func (c *Client) PageURL(kind, id string) string {
	return c.base + "/#/" + kind + "/details/" + id
}
