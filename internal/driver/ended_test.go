package driver

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/kfp/kfptest"
)

// TestEnded: what a driver makes of the answers of Kubeflow Pipelines.
func TestEnded(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	sh.in = `{"word": "x"}`
	sh.ok(nil, "deploy", "--definition", definition(t), "--definition-url", "/d", "--json")
	var run triggerReport
	sh.ok(&run, "trigger", "--pipeline", "some", "--parameters", "-", "--json")
	options := kfpOptions{url: server.URL, tokenFile: sh.env["KF_PIPELINES_SA_TOKEN_PATH"]}
	ended, err := options.ended()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ state, want string }{
		{"RUNNING", ""}, {"CANCELING", ""}, {"FAILED", "FAILED"}, {"CANCELED", "CANCELED"},
	} {
		server.SetState(run.KFPRunID, tt.state)
		if got, err := ended(t.Context(), run.RunID); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.state, got, err, tt.want)
		}
	}
	if got, err := ended(t.Context(), "kfp-11111111-1111-4111-8111-111111111111"); got != "" || err != nil {
		t.Errorf("another's run: %q, %v", got, err)
	}
	if _, err := (&kfpOptions{url: "ftp://x"}).ended(); err == nil || !strings.Contains(err.Error(), "ftp://x") {
		t.Errorf("a URL that is none: %v", err)
	}
}
