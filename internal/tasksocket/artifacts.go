package tasksocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/objstore"
)

// Artifact is what data.json says of one artifact.
type Artifact struct {
	Name string
	// SHA is the key of its content.
	SHA string
	// Encoding is what its reader goes by, such as pickle-v4.
	Encoding string
}

// ReadArtifacts reads from the data.json of an attempt which artifacts it
// stored, in the order of their names. It wraps fs.ErrNotExist when there is no
// data.json and a *MalformedError when it cannot be understood.
func ReadArtifacts(ctx context.Context, store objstore.Store, scope Scope) ([]Artifact, error) {
	key := scope.file(dataFile)
	body, _, err := objstore.ReadAll(ctx, store, key, longestData)
	if err != nil {
		return nil, err
	}
	found, err := parseArtifacts(body, scope.Attempt)
	if err != nil {
		return nil, &MalformedError{Key: key, Writer: "Metaflow", Err: err}
	}
	return found, nil
}

func parseArtifacts(body []byte, attempt int) ([]Artifact, error) {
	var d struct {
		Attempt *int              `json:"attempt"`
		Objects map[string]string `json:"objects"`
		Info    map[string]struct {
			Encoding string `json:"encoding"`
		} `json:"info"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	switch {
	case d.Attempt == nil || *d.Attempt != attempt:
		return nil, fmt.Errorf("it does not say that it is of attempt %d", attempt)
	case d.Objects == nil:
		return nil, errors.New("it has no objects")
	}
	found := make([]Artifact, 0, len(d.Objects))
	for _, name := range slices.Sorted(maps.Keys(d.Objects)) {
		a := Artifact{Name: name, SHA: d.Objects[name], Encoding: d.Info[name].Encoding}
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("artifact %.100q: %w", name, err)
		}
		found = append(found, a)
	}
	return found, nil
}

func (a Artifact) check() error {
	switch {
	case a.Name == "":
		return errors.New("it has no name")
	case !isKey(a.SHA):
		return fmt.Errorf("its key %.100q is no SHA-1", a.SHA)
	case a.Encoding == "":
		return errors.New("it has no encoding")
	}
	return nil
}
