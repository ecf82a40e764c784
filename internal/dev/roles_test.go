package dev

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/dev/home"

	"github.com/millrace/millrace/internal/schedule"
)

// All that Metaflow and our commands need to find the stack.
func TestAllRoles(t *testing.T) {
	c := config(t, t.TempDir(), RoleKFP, RoleMetadata, RoleDriver)
	c.Serve.Policy, c.Serve.MaxSplits, c.Serve.LongPoll = schedule.Default(), 100, time.Second
	r := run(t, c)
	want := []string{
		"KF_PIPELINES_SA_TOKEN_PATH", "METAFLOW_DATASTORE_SYSROOT_LOCAL", "METAFLOW_DEFAULT_DATASTORE", "METAFLOW_DEFAULT_METADATA",
		"METAFLOW_KUBEFLOW_PIPELINES_URL", "METAFLOW_SERVICE_HEADERS", "METAFLOW_SERVICE_URL",
		"MILLRACE_DRIVER", "MILLRACE_DRIVER_HTTP", "MILLRACE_HOME", "MILLRACE_LAUNCHER_DIR", "MILLRACE_POD_SECRETS", "MILLRACE_TOKEN_FILE",
	}
	if got := slices.Sorted(maps.Keys(r.vars)); !slices.Equal(got, want) {
		t.Errorf("variables %v, want %v", got, want)
	}
	reply, err := http.Get(r.vars["MILLRACE_DRIVER_HTTP"] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("the driver answers %s", reply.Status)
	}
	first := r.vars["MILLRACE_DRIVER"]
	r.stop()
	if r = run(t, c); r.vars["MILLRACE_DRIVER"] != first {
		t.Errorf("the driver was at %s, is at %s", first, r.vars["MILLRACE_DRIVER"])
	}
}

// A stack on S3, with a driver that runs elsewhere and is not there yet.
func TestExternalDriver(t *testing.T) {
	c := config(t, t.TempDir(), RoleKFP)
	c.Driver, c.DriverHTTP = "127.0.0.1:1", "http://127.0.0.1:2"
	c.Datastore = home.Datastore{S3Root: "s3://bucket/root", S3Endpoint: "http://127.0.0.1:3"}
	r := run(t, c)
	for name, want := range map[string]string{
		"MILLRACE_DRIVER": "127.0.0.1:1", "MILLRACE_DRIVER_HTTP": "http://127.0.0.1:2", "METAFLOW_DEFAULT_DATASTORE": "s3",
		"METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket/root", "METAFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:3", "METAFLOW_SERVICE_URL": "",
	} {
		if r.vars[name] != want {
			t.Errorf("%s is %q, want %q", name, r.vars[name], want)
		}
	}
}

// The driver is told until it listens, and given up after a while.
func TestGoneIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		calls, listens := 0, 3
		tell := goneFunc(func(_ context.Context, run, pod string) error {
			calls++
			if run != "kfp-uuid" || pod != "pod" {
				t.Errorf("told of %s %s", run, pod)
			}
			if calls < listens {
				return errors.New("away")
			}
			return nil
		}).patient(log)
		tell(t.Context(), "uuid", "pod")
		if calls != 3 {
			t.Errorf("told %d times", calls)
		}
		listens = 1000
		begin := time.Now()
		tell(t.Context(), "uuid", "pod")
		if took := time.Since(begin); took != gonePatience {
			t.Errorf("gave up after %s", took)
		}
	})
	if goneFunc(nil).patient(nil) != nil {
		t.Error("nobody is told")
	}
}
