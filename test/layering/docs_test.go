package layering

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named is a file, or a test in one: `path/to/file.go::TestName`.
var named = regexp.MustCompile("`([^`]+)`")

// TestNamedTestsExist: docs/graph.md names the tests that cover each row, in
// the last column of its tables. A test that was renamed is found here.
func TestNamedTestsExist(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "graph.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.TrimSpace(cells[len(cells)-1]) == "tests" {
			continue
		}
		rows++
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(tests) == 0 {
			t.Errorf("no test covers the row %q", strings.TrimSpace(cells[0]))
		}
		for _, test := range tests {
			file, name, _ := strings.Cut(test[1], "::")
			content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
			if err != nil {
				t.Errorf("row %q: %v", strings.TrimSpace(cells[0]), err)
			} else if name != "" && !regexp.MustCompile(`(?m)^(func|def|async def) `+regexp.QuoteMeta(name)+`\(`).Match(content) {
				t.Errorf("row %q: %s has no test %s", strings.TrimSpace(cells[0]), file, name)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows found, there were more", rows)
	}
}
