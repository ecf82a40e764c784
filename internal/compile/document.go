package compile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Bytes is the file that KFP takes: both documents as JSON, which is YAML
// too, separated by a line of dashes. JSON, since a bare YAML `n` or `on`
// would become a boolean.
func (p *Pipeline) Bytes() ([]byte, error) {
	var out bytes.Buffer
	for i, doc := range []any{&p.Spec, &p.Platform} {
		if i > 0 {
			out.WriteString("---\n")
		}
		if err := writeDocument(&out, doc); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// Digest names the content of a file, for a version's name.
func Digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:6])
}

func writeDocument(out *bytes.Buffer, doc any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write pipeline: %w", err)
	}
	// YAML takes fewer characters raw than JSON does.
	for _, r := range text.String() {
		switch {
		case r >= 0x7f && r <= 0x9f, r == '\ufeff', r == '\ufffe', r == '\uffff':
			fmt.Fprintf(out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return nil
}
