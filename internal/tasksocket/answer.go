package tasksocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/objstore"
)

// answer carries out one request.
func (s *Server) answer(req *request, greeted *bool) (fields, error) {
	if req.Op == "hello" {
		if req.Protocol != protocolVersion {
			return nil, invalid("the shim %q speaks protocol %d, this launcher %d: the launcher and its shim are not of one build", req.Shim, req.Protocol, protocolVersion)
		}
		*greeted = true
		return fields{"protocol": protocolVersion, "spool": s.cfg.SpoolDir, "spool_in_memory": s.cfg.SpoolInMemory}, nil
	}
	if !*greeted {
		return nil, invalid("a connection begins with hello, not with %q", req.Op)
	}
	ctx := s.ctx
	switch req.Op {
	case "is_file", "info", "size", "list", "load", "save", "delete":
		store, err := s.cfg.Stores.Store(req.Type, req.Root)
		if err != nil {
			return nil, fmt.Errorf("datastore %s %q: %w", req.Type, req.Root, err)
		}
		return s.onStore(ctx, store, req)
	case "transition":
		return nil, s.takeTransition(req)
	case "metadata":
		return s.relay(ctx, req)
	case "note":
		s.note(req.Message)
		return nil, nil
	case "trouble":
		// Which network, index or server it is, the message says.
		s.record(func(o *Outcome) { o.Trouble = errors.New(clip(req.Message)) })
		return nil, nil
	default:
		return nil, invalid("op %q is not known", req.Op)
	}
}

func (s *Server) onStore(ctx context.Context, store objstore.Store, req *request) (fields, error) {
	switch req.Op {
	case "is_file":
		return s.isFile(ctx, store, req.Paths)
	case "info":
		return info(ctx, store, req.Path)
	case "size":
		return size(ctx, store, req.Path)
	case "list":
		return list(ctx, store, req.Paths)
	case "load":
		return s.load(ctx, store, req.Paths)
	case "delete":
		return nil, s.delete(ctx, store, req.Paths, req.Below)
	default:
		return nil, s.save(ctx, store, req.Items, req.Overwrite)
	}
}

// relay makes one call of the metadata service.
func (s *Server) relay(ctx context.Context, req *request) (fields, error) {
	if s.cfg.Metadata == nil {
		return nil, invalid("there is no metadata service: METAFLOW_SERVICE_URL was not set when the flow was deployed")
	}
	if req.Method != "GET" {
		if err := s.fence(ctx); err != nil {
			return nil, err
		}
	}
	body := []byte(req.Body)
	if isNull(req.Body) {
		body = nil
	}
	status, reply, version, err := s.cfg.Metadata.Do(ctx, req.Method, req.Path, body)
	if err != nil {
		return nil, fmt.Errorf("metadata service: %s %s: %w", req.Method, req.Path, err)
	}
	if status >= 500 {
		// The child fails of this, and not by its own fault.
		s.record(func(o *Outcome) {
			o.Trouble = fmt.Errorf("metadata service: %s %s was answered %d: %w", req.Method, req.Path, status, errors.New(clip(string(reply))))
		})
	}
	return fields{"status": status, "body": jsonOrText(reply), "version": orNull(version)}, nil
}

// jsonOrText passes JSON on as such and anything else as a text.
func jsonOrText(reply []byte) any {
	reply = bytes.TrimSpace(reply)
	switch {
	case len(reply) == 0:
		return nil
	case json.Valid(reply):
		return json.RawMessage(reply)
	default:
		return string(reply)
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (s *Server) note(message string) {
	if s.cfg.Note == nil {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(message, "\n"), "\n") {
		s.cfg.Note(line)
	}
}
