package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/objstore/open"
)

// session is this process's part in one run at the driver.
type session struct {
	driver  driver
	stores  objects
	options *options
	input   *executorinput.Input
	logger  *slog.Logger

	incarnation string
	// document is fetched when first needed.
	document *document
	// parameters are those of the run; nil from all but the first pool.
	parameters *string
}

// begin is what every command starts with. end closes the connection.
func begin(env *Env, o *options, verb, step string) (s *session, end func(), err error) {
	in, logger, err := o.start(env, verb, step)
	if err != nil {
		return nil, nil, err
	}
	conn, err := o.dial()
	if err != nil {
		return nil, nil, err
	}
	s = &session{
		driver: client{conn}, stores: openStores(env, logger, 0), options: o, input: in, logger: logger,
		incarnation: newIncarnation(),
	}
	return s, func() { _ = conn.Close() }, nil
}

// openStores makes the set of stores of this process's environment.
func openStores(env *Env, logger *slog.Logger, longestWrite time.Duration) *open.Stores {
	o := open.Options{Logger: logger, WriteTimeout: longestWrite}
	return open.New(o.FromEnvironment(func(name string) string {
		value, _ := env.Lookup(name)
		return value
	}))
}

func (s *session) patience() patience { return patience{logger: s.logger} }

// definition returns the flow's definition.
func (s *session) definition(ctx context.Context) (*document, error) {
	if s.document == nil {
		doc, err := fetchDefinition(ctx, s.stores, s.options.definitionURL, s.options.definitionSHA256)
		if err != nil {
			return nil, err
		}
		s.document = doc
	}
	return s.document, nil
}

// open makes the run known to the driver. The digest is enough for a run that
// it knows.
func (s *session) open(ctx context.Context) error {
	request := driverclient.OpenRun{
		RunID: runID(s.input), DefinitionSHA256: s.options.definitionSHA256, DefinitionURL: s.options.definitionURL,
		Parameters: s.parameters,
	}
	if r := s.input.Resume; r != nil && s.parameters != nil {
		request.Resume = &driverclient.Resume{OriginRun: r.OriginRun, Step: r.Step}
	}
	call := func(ctx context.Context) error { return s.driver.OpenRun(ctx, request) }
	err := s.patience().call(ctx, call)
	if errors.Is(err, driverclient.ErrUnknown) {
		doc, failed := s.definition(ctx)
		if failed != nil {
			return failed
		}
		request.Definition = doc.bytes
		err = s.patience().call(ctx, call)
	}
	return hint(err)
}

// within does a call of the run and waits for its answer. A driver that has
// lost the run is told of it again, once per call.
func (s *session) within(ctx context.Context, call func(context.Context) error) error {
	err := s.patience().call(ctx, call)
	if errors.Is(err, driverclient.ErrUnknown) {
		s.logger.Warn("the driver does not know the run; opening it again", "error", err)
		if err = s.open(ctx); err == nil {
			err = s.patience().call(ctx, call)
		}
	}
	return hint(err)
}

// signaled turns an error that came of the pod's end into that.
func signaled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errSignaled, context.Cause(ctx))
	}
	return err
}
