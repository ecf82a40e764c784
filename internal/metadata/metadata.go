// Package metadata speaks to Metaflow's metadata service for a task: it
// registers the task before Python starts, relays the child's calls, holds
// what the service cannot take yet, and beats.
package metadata

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Config says where the service is.
type Config struct {
	// URL is METAFLOW_SERVICE_URL.
	URL string
	// Headers are METAFLOW_SERVICE_HEADERS; they may hold a secret.
	Headers map[string]string
	// Budget bounds how long one call, and the last flush, are tried.
	Budget time.Duration
	Logger *slog.Logger
}

// Client is a connection to the service. It is safe for concurrent use.
type Client struct{}

// New makes a Client; nothing is contacted.
func New(cfg Config) (*Client, error) { return nil, errors.New("not yet") }

// TaskConfig names one leased attempt and how its objects are described.
type TaskConfig struct {
	Flow, Run, Step, Task string
	Attempt               int
	User                  string
	Tags, SystemTags      []string
	DatastoreType         string
	DatastoreRoot         string
	// Fields are further rows (field name -> value), such as kubernetes-pod-name.
	Fields map[string]string
	// Fence is asked before each write; an error refuses it.
	Fence func(context.Context) error
}

// Task is the metadata of one leased attempt.
type Task struct{}

// Task begins the metadata of one attempt. Registrations and the child's
// writes go through its queue in order.
func (c *Client) Task(cfg TaskConfig) *Task { return nil }

// Register makes flow, run, step and task known and posts attempt, ds-type
// and ds-root. While the service is down it queues and returns nil.
func (t *Task) Register(ctx context.Context) error { return nil }

// Do makes one call for the child; it implements tasksocket.Metadata. A write
// that the service cannot take now is queued and answered as if taken.
func (t *Task) Do(ctx context.Context, method, path string, body []byte) (status int, reply []byte, version string, err error) {
	return 0, nil, "", errors.New("not yet")
}

// Post queues one row of metadata of the attempt.
func (t *Task) Post(field, kind, value string) {}

// Beat sends heartbeats of the task until ctx ends.
func (t *Task) Beat(ctx context.Context) {}

// Flush empties the queue and, last of all, posts the attempt's number again
// (the client takes the newest row). It fails when the budget is over.
func (t *Task) Flush(ctx context.Context) error { return nil }

// Drop forgets the queue: the lease is lost.
func (t *Task) Drop() {}
