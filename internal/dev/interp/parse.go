package interp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"sigs.k8s.io/yaml"
)

// MaxDocument is KFP's limit for an uploaded file.
const MaxDocument = 32 << 20

// Pipeline is a checked pipeline.
type Pipeline struct {
	Name string

	spec pipelineSpec
	pods map[string]podConfig
	// specJSON and platformJSON are the documents as uploaded.
	specJSON, platformJSON json.RawMessage
}

// Parse reads one or two YAML or JSON documents. The error names what is not
// modelled.
func Parse(document []byte) (*Pipeline, error) {
	if len(document) > MaxDocument {
		return nil, fmt.Errorf("the pipeline has %d bytes, more than %d", len(document), MaxDocument)
	}
	p := &Pipeline{pods: map[string]podConfig{}}
	for i, doc := range splitDocuments(document) {
		raw, err := yaml.YAMLToJSON(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d of the pipeline is neither YAML nor JSON: %w", i+1, err)
		}
		switch i {
		case 0:
			p.specJSON, err = raw, strict(raw, &p.spec)
		case 1:
			var platforms platformSpec
			p.platformJSON, err = raw, strict(raw, &platforms)
			if err == nil {
				err = p.takePlatforms(platforms)
			}
		default:
			err = errors.New("a pipeline has one or two documents")
		}
		if err != nil {
			return nil, fmt.Errorf("document %d of the pipeline: %w", i+1, err)
		}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.Name = p.spec.PipelineInfo.Name
	return p, nil
}

var separator = regexp.MustCompile(`(?m)^---[ \t]*\r?$`)

func splitDocuments(document []byte) [][]byte {
	var out [][]byte
	from := 0
	for _, at := range append(separator.FindAllIndex(document, -1), []int{len(document), len(document)}) {
		if part := document[from:at[0]]; len(bytes.TrimSpace(part)) > 0 {
			out = append(out, part)
		}
		from = at[1]
	}
	return out
}

func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("this laptop stack does not run it: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

func (p *Pipeline) takePlatforms(s platformSpec) error {
	for name, platform := range s.Platforms {
		if name != "kubernetes" {
			return fmt.Errorf("platform %q is not modelled", name)
		}
		p.pods = platform.DeploymentSpec.Executors
	}
	return nil
}

// Spec is the pipeline as the API returns it: with its platform document when
// it has one.
func (p *Pipeline) Spec() json.RawMessage {
	if p.platformJSON == nil {
		return p.specJSON
	}
	out, _ := json.Marshal(map[string]json.RawMessage{"pipeline_spec": p.specJSON, "platform_spec": p.platformJSON}) // both are JSON
	return out
}

// duration is a protobuf Duration as its JSON: "1.500s".
type duration time.Duration

func (d *duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	v, err := time.ParseDuration(text)
	if err != nil || text == "" || text[len(text)-1] != 's' {
		return fmt.Errorf("%q is not a duration in seconds", text)
	}
	*d = duration(v)
	return nil
}
