package objstoretest

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// GCS is a server that speaks Google's protocol: fake-gcs-server.
type GCS struct {
	Endpoint string
	// Bucket exists and is empty.
	Bucket string
}

// FakeGCS starts a server for the test. It asks for no credentials.
func FakeGCS(t *testing.T) *GCS {
	t.Helper()
	address := freePort(t)
	host, port, _ := strings.Cut(address, ":")
	s := &GCS{Endpoint: "http://" + address, Bucket: "flows"}
	serve(t, address, built(t, "fake-gcs-server"), "-scheme", "http", "-host", host, "-port", port,
		"-backend", "memory", "-external-url", s.Endpoint, "-public-host", address, "-log-level", "error")
	s.MakeBucket(t, s.Bucket)
	t.Setenv("STORAGE_EMULATOR_HOST", s.Endpoint)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", os.DevNull)
	return s
}

// MakeBucket adds a bucket.
func (s *GCS) MakeBucket(t *testing.T, name string) string {
	t.Helper()
	answer, err := http.Post(s.Endpoint+"/storage/v1/b", "application/json", strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("making the bucket %s: %s", name, answer.Status)
	}
	return name
}
