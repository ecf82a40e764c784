package objstoretest

import (
	"os"
	"path/filepath"
	"testing"
)

// S3 is a real S3 server over a folder: versitygw.
type S3 struct {
	Endpoint string
	// Bucket exists and is empty.
	Bucket string
	folder string
}

const access, secret = "millrace", "millrace-secret"

// VersityGW starts a server for the test and sets the AWS variables of this
// process to its credentials.
func VersityGW(t *testing.T) *S3 {
	t.Helper()
	s := &S3{folder: t.TempDir()}
	s.Bucket = s.MakeBucket(t, "flows")
	address := freePort(t)
	s.Endpoint = "http://" + address
	serve(t, address, built(t, "versitygw"), "--access", access, "--secret", secret, "--port", address, "--quiet", "posix", s.folder)
	s.Login(t, secret)
	return s
}

// MakeBucket adds a bucket.
func (s *S3) MakeBucket(t *testing.T, name string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.folder, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// Login sets what the SDK's default chain finds, and nothing else than that.
func (s *S3) Login(t *testing.T, secret string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(name, value)
	}
}
