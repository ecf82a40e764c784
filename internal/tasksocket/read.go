package tasksocket

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// parallel bounds the store's requests for one request of the child.
const parallel = 16

// probed is from how many files of one task's folder on a listing is cheaper
// than asking for each: a join asks for 18 of every input, most of them
// missing.
const probed = 4

func (s *Server) isFile(ctx context.Context, store objstore.Store, paths []string) (fields, error) {
	there, err := s.known(ctx, store, paths)
	if err != nil {
		return nil, err
	}
	exists := make([]bool, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, p := range paths {
		if known, ok := there[p]; ok {
			exists[i] = known
			continue
		}
		group.Go(func() error {
			_, err := store.Stat(ctx, p)
			exists[i] = err == nil
			return unless(err, fs.ErrNotExist)
		})
	}
	return fields{"exists": exists}, group.Wait()
}

// known says of paths whether they are there, as far as no request for each is
// needed.
func (s *Server) known(ctx context.Context, store objstore.Store, paths []string) (map[string]bool, error) {
	inputs := map[string]bool{}
	rest := make([]string, 0, len(paths))
	for _, p := range paths {
		if there, ok := s.inputs.exists(ctx, store, p); ok {
			inputs[p] = there
		} else {
			rest = append(rest, p)
		}
	}
	there, err := s.probe(ctx, store, rest)
	maps.Copy(there, inputs)
	return there, err
}

// probe says for paths of which many lie in one task's folder whether they are
// there; other paths are not in the answer.
func (s *Server) probe(ctx context.Context, store objstore.Store, paths []string) (map[string]bool, error) {
	count := map[string]int{}
	for _, p := range paths {
		if isAttemptFile(p) {
			count[path.Dir(p)]++
		}
	}
	there := map[string]bool{}
	folders := []string{}
	for _, p := range paths {
		folder := path.Dir(p)
		if !isAttemptFile(p) || count[folder] < probed {
			continue
		}
		if _, again := there[folder+"/"]; !again {
			there[folder+"/"] = true // no path ends like this
			folders = append(folders, folder)
		}
		there[p] = false
	}
	found := make([][]string, len(folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, folder := range folders {
		group.Go(func() error {
			for info, err := range store.List(ctx, folder+"/") {
				if err != nil {
					return err
				}
				found[i] = append(found[i], info.Key)
			}
			return nil
		})
	}
	err := group.Wait()
	for _, keys := range found {
		for _, key := range keys {
			if _, asked := there[key]; asked {
				there[key] = true
			}
		}
	}
	return there, err
}

// isAttemptFile: <Flow>/<run>/<step>/<task>/<attempt>.<name>.
func isAttemptFile(p string) bool {
	if strings.Count(p, "/") != 4 || objstore.CheckKey(p) != nil {
		return false
	}
	_, ok := attemptOf(path.Base(p))
	return ok
}

func info(ctx context.Context, store objstore.Store, key string) (fields, error) {
	i, err := store.Stat(ctx, key)
	if err != nil {
		return fields{"exists": false, "meta": nil}, unless(err, fs.ErrNotExist)
	}
	return fields{"exists": true, "meta": attributes(i)}, nil
}

func size(ctx context.Context, store objstore.Store, key string) (fields, error) {
	i, err := store.Stat(ctx, key)
	if err != nil {
		return fields{"size": nil}, unless(err, fs.ErrNotExist)
	}
	return fields{"size": i.Size}, nil
}

// attributes is what Metaflow wrote beside the object, if anything.
func attributes(i objstore.Info) any {
	text, ok := i.Metadata[objstore.UserAttributes]
	if !ok || !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}

type entry struct {
	Path   string `json:"path"`
	IsFile bool   `json:"is_file"`
}

// list answers the files and folders directly below each path.
func list(ctx context.Context, store objstore.Store, paths []string) (fields, error) {
	found := make([][]entry, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, p := range paths {
		group.Go(func() error {
			prefix := strings.Trim(p, "/")
			if prefix != "" {
				prefix += "/"
			}
			folder := ""
			for info, err := range store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				name, below, isFolder := strings.Cut(strings.TrimPrefix(info.Key, prefix), "/")
				switch {
				case !isFolder:
					found[i] = append(found[i], entry{prefix + name, true})
				case below != "" && name != folder: // keys come in order
					folder = name
					found[i] = append(found[i], entry{prefix + name, false})
				}
			}
			return nil
		})
	}
	err := group.Wait()
	entries := []entry{}
	for _, f := range found {
		entries = append(entries, f...)
	}
	return fields{"entries": entries}, err
}

type loaded struct {
	Path string  `json:"path"`
	File *string `json:"file"`
	Meta any     `json:"meta"`
}

// decoded is the meta of content that the launcher has decoded already.
var decoded = json.RawMessage(`{"cas_raw":true,"cas_version":1}`)

// load fetches each object into a file of the child's own; a missing one has
// none. Content must be there: Metaflow asks only for what some data.json names.
func (s *Server) load(ctx context.Context, store objstore.Store, paths []string) (fields, error) {
	there, err := s.known(ctx, store, paths)
	if err != nil {
		return nil, err
	}
	files := make([]loaded, len(paths))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, p := range paths {
		files[i].Path = p
		if known, ok := there[p]; ok && !known {
			continue
		}
		group.Go(func() error {
			name, meta, err := s.fetch(inner, store, p)
			if err == nil {
				files[i].File, files[i].Meta = &name, meta
			}
			if isContent(p) {
				return err
			}
			return unless(err, fs.ErrNotExist)
		})
	}
	if err := group.Wait(); err != nil {
		for _, f := range files {
			if f.File != nil {
				os.Remove(*f.File)
			}
		}
		return nil, err
	}
	return fields{"files": files}, nil
}

func (s *Server) fetch(ctx context.Context, store objstore.Store, key string) (string, any, error) {
	name := s.loadName()
	if isContent(key) {
		if content := s.inputs.guess(ctx, store, key); content != nil {
			return name, decoded, os.WriteFile(name, content, 0o600)
		}
		s.inputs.follow(s.ctx, store, key)
		if err := s.cfg.Artifacts.Load(ctx, store, key, name); err != nil {
			return "", nil, s.inputs.explain(store, key, err)
		}
		return name, decoded, nil
	}
	if done, err := s.inputs.load(ctx, store, key, name); done || err != nil {
		return name, nil, err
	}
	meta, err := download(ctx, store, key, name)
	return name, meta, err
}

// unless drops an error that is an answer.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
