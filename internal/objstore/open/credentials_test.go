package open_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/open"
)

// parts are those in which a transfer goes.
const parts = 4

// A token that comes to an end between two parts is renewed and the transfer
// goes on; where that does not help, the error says what to do. Authorities and
// proxies are a process's own settings, so each transfer is one of its own.
func TestCredentialsComeToAnEnd(t *testing.T) {
	type how struct {
		name            string
		ends            []string
		lives           time.Duration
		forGood, noMore bool
		settings        []string // nil: the authority is known
		class           string
		say             []string // in the order of the clouds
	}
	rows := []how{
		{name: "before their time", ends: []string{"part 2", "get 2"}},
		{name: "by and by", lives: time.Nanosecond},
		{name: "renewed ones refused", ends: []string{"part 2"}, forGood: true, class: "permission", say: []string{
			"have expired (ExpiredToken): renew AWS_SESSION_TOKEN, or use a role",
			"refuses the credentials (HTTP 401: Invalid Credentials): check GOOGLE_APPLICATION_CREDENTIALS, or the service account",
			"refuses the credentials, or they have expired: check AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, the identity",
		}},
		{name: "none to be had", ends: []string{"part 2"}, noMore: true, class: "permission", say: []string{
			"no credentials are given to this process (HTTP 403 AccessDenied): check its role",
			"have expired (HTTP 400): set GOOGLE_APPLICATION_CREDENTIALS",
			"have expired (HTTP 400 AADSTS700024): check AZURE_CLIENT_ID",
		}},
		{name: "an authority nobody knows", settings: []string{"AZURE_STORAGE_KEY=" + base64.StdEncoding.EncodeToString([]byte("key"))}, class: "none", say: []string{"set SSL_CERT_FILE", "set SSL_CERT_FILE", "set SSL_CERT_FILE"}},
	}
	for i, start := range []func(*testing.T) service{amazon, google, microsoft} {
		service := start(t)
		typ, _, _ := strings.Cut(service.root, ":")
		cases := rows
		if typ == "s3" {
			cases = append(cases, how{name: "an authority by AWS_CA_BUNDLE", settings: []string{
				"AWS_CA_BUNDLE={}", "AWS_ACCESS_KEY_ID=millrace", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token-1",
			}})
		}
		for _, row := range cases {
			t.Run(typ+", "+row.name, func(t *testing.T) {
				c := newCloud(t, service)
				if row.lives == 0 {
					row.lives = time.Hour
				}
				c.plan(row.ends, row.lives, row.forGood, row.noMore)
				settings := row.settings
				if settings == nil {
					settings = []string{"SSL_CERT_FILE={}"}
				}
				got := c.transfer(t, settings...)
				if got.Class != row.class {
					t.Errorf("the transfer's error is of class %q, want %q: %s", got.Class, row.class, got.Text)
				}
				if row.say != nil && !strings.Contains(got.Text, row.say[i]) {
					t.Errorf("%s: does not say %q", got.Text, row.say[i])
				}
				least := len(row.ends) + 1
				if row.lives < time.Hour {
					least = parts
				}
				if row.settings == nil && row.class == "" && c.tokens() < least {
					t.Errorf("%d tokens were handed out", c.tokens())
				}
			})
		}
	}
}

// outcome is how a transfer went.
type outcome struct{ Class, Text string }

// transfer puts and gets an object in a process of its own, under settings in
// which {} is the authority's file.
func (c *cloud) transfer(t *testing.T, environment ...string) outcome {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told := filepath.Join(t.TempDir(), "outcome")
	cmd := exec.Command(program, "-test.run=^TestTransferOfAnotherTest$")
	cmd.Env = append(c.environment, "MILLRACE_TEST_ROOT="+c.root, "MILLRACE_TEST_PART="+strconv.FormatInt(c.partSize, 10), "MILLRACE_TEST_TOLD="+told)
	for _, setting := range environment {
		cmd.Env = append(cmd.Env, strings.ReplaceAll(setting, "{}", c.certificate))
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the transfer ended with %v: %s", err, text)
	}
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTransferOfAnotherTest(t *testing.T) {
	told := os.Getenv("MILLRACE_TEST_TOLD")
	if told == "" {
		t.Skip("a process of TestCredentialsComeToAnEnd")
	}
	part, err := strconv.ParseInt(os.Getenv("MILLRACE_TEST_PART"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	options := open.Options{PartSize: part, FirstWait: 10 * time.Millisecond}
	store, err := open.New(options.FromEnvironment(os.Getenv)).Root(os.Getenv("MILLRACE_TEST_ROOT"))
	if err != nil {
		t.Fatal(err)
	}
	want := noise((parts-1)*int(part) + 1234)
	err = store.Put(t.Context(), "k", objstore.Bytes(want), objstore.PutOptions{})
	if err == nil {
		var got []byte
		if got, err = fetch(t.Context(), store, "k"); err == nil && !bytes.Equal(got, want) {
			err = errors.New("what was read is not what was written")
		}
	}
	var o outcome
	switch {
	case errors.Is(err, fs.ErrPermission):
		o.Class = "permission"
	case errors.Is(err, objstore.ErrTransient):
		o.Class = "transient"
	case err != nil:
		o.Class = "none"
	}
	if err != nil {
		o.Text = err.Error()
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, told, string(text))
}
