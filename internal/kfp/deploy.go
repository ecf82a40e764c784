package kfp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Deployed names what a deployment made or found.
type Deployed struct {
	Pipeline Pipeline
	Version  Version
	// Unchanged: the newest version has this very content already.
	Unchanged bool
}

// Deploy makes the document the newest version of the named pipeline, which
// it creates if need be. digest names the content: deploying the same twice
// finds the version that is there.
func (c *Client) Deploy(ctx context.Context, name, description, digest string, document []byte, now time.Time) (*Deployed, error) {
	pipeline, err := c.PipelineByName(ctx, name)
	if errors.Is(err, ErrNotFound) {
		pipeline, err = c.CreatePipeline(ctx, name, description)
		if errors.Is(err, ErrExists) {
			// Somebody was faster; their pipeline is ours.
			pipeline, err = c.PipelineByName(ctx, name)
		}
	}
	if err != nil {
		return nil, err
	}
	versions, err := c.Versions(ctx, pipeline.ID)
	if err != nil {
		return nil, err
	}
	if len(versions) > 0 && strings.HasSuffix(versions[0].Title(), "-"+digest) {
		return &Deployed{Pipeline: *pipeline, Version: versions[0], Unchanged: true}, nil
	}
	version, err := c.UploadVersion(ctx, pipeline.ID, versionName(now, digest), description, document)
	if errors.Is(err, ErrExists) {
		// Two deployments in one millisecond of the same content.
		again, listErr := c.Versions(ctx, pipeline.ID)
		if listErr == nil && len(again) > 0 && strings.HasSuffix(again[0].Title(), "-"+digest) {
			return &Deployed{Pipeline: *pipeline, Version: again[0], Unchanged: true}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &Deployed{Pipeline: *pipeline, Version: *version}, nil
}

// versionName sorts by time and names the content. It would do as the name of
// a Kubernetes object, which a version is on some servers.
func versionName(now time.Time, digest string) string {
	now = now.UTC()
	return fmt.Sprintf("v%s-%03d-%s", now.Format("20060102-150405"), now.Nanosecond()/int(time.Millisecond), digest)
}
