package tasksocket

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func TestReadArtifacts(t *testing.T) {
	const sha = "95cb0b8ac6b4b0133518757f75236b8b0777a583"
	entry := func(name, sha, encoding string) string {
		return fmt.Sprintf(`{"attempt":1,"objects":{%q:%q},"info":{%q:{"size":1,"encoding":%q}}}`, name, sha, name, encoding)
	}
	tests := []struct{ name, data, want string }{
		{"one", entry("x", sha, "pickle-v4"), "[{x " + sha + " pickle-v4}]"},
		{"none", `{"attempt":1,"objects":{},"info":{}}`, "[]"},
		{
			"sorted", fmt.Sprintf(`{"attempt":1,"objects":{"b":%q,"a":%q},"info":{"a":{"encoding":"e"},"b":{"encoding":"e"}}}`, sha, sha),
			"[{a " + sha + " e} {b " + sha + " e}]",
		},
		{"another attempt's", `{"attempt":0,"objects":{},"info":{}}`, "it does not say that it is of attempt 1"},
		{"no attempt", goodData, "it does not say that it is of attempt 1"},
		{"no objects", `{"attempt":1,"info":{}}`, "it has no objects"},
		{"no name", entry("", sha, "e"), "it has no name"},
		{"no key", entry("x", "../../x", "e"), "is no SHA-1"},
		{"upper case", entry("x", strings.ToUpper(sha), "e"), "is no SHA-1"},
		{"no encoding", entry("x", sha, ""), `artifact "x": it has no encoding`},
		{"no info", fmt.Sprintf(`{"attempt":1,"objects":{"x":%q}}`, sha), `artifact "x": it has no encoding`},
		{"no JSON", `nope`, "1.data.json is not what Metaflow writes"},
		{"cut off", entry("x", sha, "e")[:30], "1.data.json is not what Metaflow writes"},
		{"two of them", entry("x", sha, "e") + entry("x", sha, "e"), "1.data.json is not what Metaflow writes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := serve(t, nil)
			f.put(own+"1.data.json", test.data)
			found, err := ReadArtifacts(t.Context(), f.store, scope1)
			got := fmt.Sprint(found)
			if err != nil {
				got = err.Error()
				if _, ok := errors.AsType[*MalformedError](err); !ok {
					t.Errorf("%T", err)
				}
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	if _, err := ReadArtifacts(t.Context(), serve(t, nil).store, scope1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}
