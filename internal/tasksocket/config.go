package tasksocket

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/internal/objstore"
)

// Scope is the leased attempt: what the child may write as its own.
type Scope struct {
	Flow, Run, Step, Task string
	Attempt               int
	// Parameters says that this is the run's _parameters task: whatever it
	// writes below its own path is written if-absent, so that a second init
	// cannot change what the first one stored.
	Parameters bool
}

// Path is the task's folder below the datastore's root, without a slash at
// its end.
func (s Scope) Path() string { return s.Flow + "/" + s.Run + "/" + s.Step + "/" + s.Task }

func (s Scope) file(name string) string { return fmt.Sprintf("%s/%d.%s", s.Path(), s.Attempt, name) }

// Stores opens the store of a datastore type and root; *open.Stores does.
type Stores interface {
	Store(typ, root string) (objstore.Store, error)
}

// Artifacts moves content-addressed objects; *artifact.Pool does.
type Artifacts interface {
	// Load writes the decoded, verified content of the object to the file
	// path. A missing object wraps fs.ErrNotExist.
	Load(ctx context.Context, store objstore.Store, key, path string) error
	// Fetch brings the content near, where there is room for it, so that a
	// later Load need not go to the store.
	Fetch(ctx context.Context, store objstore.Store, key string) error
	// Save stores src, whose SHA-1 must be the last element of key, encoded
	// as it sees fit, or as it is when raw is set.
	Save(ctx context.Context, store objstore.Store, key string, src objstore.Source, raw bool, fence func(context.Context) error) error
}

// Metadata is Metaflow's metadata service; *metadata.Client is one.
type Metadata interface {
	// Do makes one call; path is below the service's URL. version is the
	// service's version header.
	Do(ctx context.Context, method, path string, body []byte) (status int, reply []byte, version string, err error)
}

// Guard says whether the lease still allows writing; *lease.Keeper does.
type Guard interface {
	// AwaitWritable returns nil when a write may begin. It may wait while the
	// driver is silent; any error but that of ctx means never again.
	AwaitWritable(ctx context.Context) error
}

// Config makes a Server.
type Config struct {
	SocketPath string
	// SpoolDir is where files change hands; it must exist.
	SpoolDir string
	// SpoolInMemory says that what lies there takes memory.
	SpoolInMemory bool
	Scope         Scope
	Inputs        Inputs
	Stores        Stores
	Artifacts     Artifacts
	Metadata      Metadata
	Guard         Guard
	// Note takes a line for the task's log.
	Note   func(string)
	Logger *slog.Logger
}
