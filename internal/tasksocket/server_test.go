package tasksocket

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

func TestHello(t *testing.T) {
	f := serve(t, nil)
	if got := f.connect().ok(fields{"op": "hello", "protocol": 1}); got["spool"] != f.spool || got["protocol"] != 1.0 {
		t.Errorf("%v", got)
	}
	c := f.dial()
	if m := c.fails("invalid", on("size", fields{"path": "x"})); !strings.Contains(m, "hello") {
		t.Error(m)
	}
	if m := c.fails("invalid", fields{"op": "hello", "protocol": 2, "shim": "9.9"}); !strings.Contains(m, "protocol 2") {
		t.Error(m)
	}
	c.fails("invalid", fields{"op": "size"})
	c = f.connect()
	c.fails("invalid", fields{"op": "format-disk"})
	c.fails("internal", fields{"op": "size", "type": "tape", "root": "/x", "path": "y"})
}

// A frame that is no JSON is answered; one that is too large ends the
// connection; neither disturbs the others.
func TestBrokenFrames(t *testing.T) {
	f := serve(t, nil)
	other := f.connect()
	c := f.connect()
	if err := writeFrame(c.conn, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if got := c.reply(); got["class"] != "invalid" {
		t.Errorf("%v", got)
	}
	c.ok(on("size", fields{"path": "x"}))
	if _, err := c.conn.Write(binary.BigEndian.AppendUint32(nil, maxFrame+1)); err != nil {
		t.Fatal(err)
	}
	if got := c.reply(); got["class"] != "invalid" {
		t.Errorf("%v", got)
	}
	if _, err := readFrame(c.conn); err == nil {
		t.Error("the connection goes on after a frame too large")
	}
	other.ok(on("size", fields{"path": "x"}))
}

// The lifeline says nothing, and learns of the end.
func TestLifelineEndsWithTheServer(t *testing.T) {
	f := serve(t, nil)
	c := f.connect()
	f.outcome()
	if n, err := c.conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if _, err := os.Lstat(f.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestArtifactsGoThroughAndBack(t *testing.T) {
	f := serve(t, nil)
	c := f.connect()
	big := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	name := filepath.Join(f.spool, "save-1")
	if err := os.WriteFile(name, big, 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "packed by Python")
	z.Close()
	encoding := fields{"cas_raw": false, "cas_version": 1}
	contents := []string{"small", string(big), "packed by Python", packed.String(), "as it is"}
	c.ok(saveOf(
		true,
		fields{"path": contentKey(contents[0]), "meta": encoding, "data": []byte(contents[0])},
		fields{"path": contentKey(contents[1]), "meta": encoding, "file": name},
		fields{"path": contentKey(contents[2]), "meta": encoding, "data": packed.Bytes()},
		fields{"path": contentKey(contents[3]), "meta": encoding, "data": packed.Bytes()},
		fields{"path": contentKey(contents[4]), "meta": fields{"cas_raw": true, "cas_version": 1}, "data": []byte(contents[4])},
	))
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file handed over is still there: %v", err)
	}
	if got := f.object(contentKey(contents[4])); got != contents[4] {
		t.Errorf("stored raw: %q", got)
	}
	keys := []string{"cards/nowhere"}
	for _, content := range contents {
		keys = append(keys, contentKey(content))
	}
	files := c.ok(on("load", fields{"paths": keys}))["files"].([]any)
	if first := files[0].(map[string]any); first["path"] != keys[0] || first["file"] != nil || first["meta"] != nil {
		t.Errorf("a missing object is answered as %v", first)
	}
	for i, content := range contents {
		entry := files[i+1].(map[string]any)
		got, err := os.ReadFile(entry["file"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != content || filepath.Dir(entry["file"].(string)) != f.spool {
			t.Errorf("object %d came back as %.40q in %v", i, got, entry["file"])
		}
		if want := map[string]any{"cas_raw": true, "cas_version": 1.0}; !reflect.DeepEqual(entry["meta"], want) {
			t.Errorf("object %d has meta %v", i, entry["meta"])
		}
	}
	wrong := contentKey("something else")
	c.fails("internal", saveOf(true, fields{"path": wrong, "meta": encoding, "data": []byte("x")}))
	if got := c.ok(on("info", fields{"path": wrong})); got["exists"] != false {
		t.Errorf("content was stored under a wrong key: %v", got)
	}
}

func TestPlainObjects(t *testing.T) {
	f := serve(t, nil)
	c := f.connect()
	c.ok(saveOf(false, inline("cards/a/x", "one"), inline("cards/b", ""), fields{"path": "cards/a/y/z", "meta": fields{"k": 1}, "data": []byte("yy")}))
	c.ok(saveOf(false, inline("cards/a/x", "two")))
	if got := f.object("cards/a/x"); got != "one" {
		t.Errorf("written over: %q", got)
	}
	c.ok(saveOf(true, inline("cards/a/x", "two"), inline("cards/a/x", "three")))
	if got := f.object("cards/a/x"); got != "three" {
		t.Errorf("not written over by the last: %q", got)
	}
	tests := []struct {
		req  fields
		want string
	}{
		{on("is_file", fields{"paths": []string{"cards/b", "cards/a", "no"}}), `{"exists":[true,false,false],"ok":true}`},
		{on("is_file", fields{"paths": []string{}}), `{"exists":[],"ok":true}`},
		{on("size", fields{"path": "cards/a/x"}), `{"ok":true,"size":5}`},
		{on("size", fields{"path": "cards"}), `{"ok":true,"size":null}`},
		{on("info", fields{"path": "cards/a/y/z"}), `{"exists":true,"meta":{"k":1},"ok":true}`},
		{on("info", fields{"path": "cards/b"}), `{"exists":true,"meta":null,"ok":true}`},
		{on("info", fields{"path": "cards"}), `{"exists":false,"meta":null,"ok":true}`},
		{on("list", fields{"paths": []string{"cards/", "none"}}), `{"entries":[{"is_file":false,"path":"cards/a"},{"is_file":true,"path":"cards/b"}],"ok":true}`},
		{on("list", fields{"paths": []string{""}}), `{"entries":[{"is_file":false,"path":"cards"}],"ok":true}`},
	}
	for _, test := range tests {
		got, err := json.Marshal(c.call(test.req))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("%v: %s, want %s", test.req, got, test.want)
		}
	}
	c.fails("invalid", on("size", fields{"path": "../up"}))
	files := c.ok(on("load", fields{"paths": []string{"cards/a/y/z"}}))["files"].([]any)[0].(map[string]any)
	if !reflect.DeepEqual(files["meta"], map[string]any{"k": 1.0}) {
		t.Errorf("%v", files)
	}
	if o := f.outcome(); o.Trouble != nil {
		t.Errorf("what the child asked wrongly is called trouble: %v", o.Trouble)
	}
}

// The join's probe of one input, 18 files, is one listing and the files there.
func TestProbeIsOneListing(t *testing.T) {
	f := serve(t, nil)
	input := "F/kfp-1/split/t-3/"
	for _, name := range []string{"0.attempt.json", "0.data.json", "0.DONE.lock", "0.task_stdout.log"} {
		f.put(input+name, name)
	}
	var paths []string
	for attempt := range 6 {
		for _, name := range []string{"attempt.json", "data.json", "DONE.lock"} {
			paths = append(paths, fmt.Sprintf("%s%d.%s", input, attempt, name))
		}
	}
	c := f.connect()
	found := 0
	for _, entry := range c.ok(on("load", fields{"paths": paths}))["files"].([]any) {
		if e := entry.(map[string]any); e["file"] != nil {
			found++
			if got, err := os.ReadFile(e["file"].(string)); err != nil || input+string(got) != e["path"] {
				t.Errorf("%v: %q, %v", e, got, err)
			}
		}
	}
	if calls := f.store.noted(); found != 3 || len(calls) != 4 || calls[0] != "list "+input {
		t.Errorf("found %d by %v", found, calls)
	}
	f.store.calls = nil
	exists := c.ok(on("is_file", fields{"paths": paths}))["exists"].([]any)
	if calls := f.store.noted(); !slices.Equal(calls, []string{"list " + input}) || exists[0] != true || exists[3] != false {
		t.Errorf("%v by %v", exists, calls)
	}
}

func TestHandOverIsChecked(t *testing.T) {
	f := serve(t, nil)
	outside := filepath.Join(filepath.Dir(f.spool), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(f.spool, name) }
	if err := errors.Join(os.Symlink(outside, at("link")), os.Mkdir(at("folder"), 0o700), os.WriteFile(at("folder/x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	c := f.connect()
	for _, name := range []string{outside, at("link"), at("folder"), at("folder/x"), at("../secret"), at("none"), f.spool + "/./save", "save", f.spool, at("..")} {
		c.fails("invalid", saveOf(true, fields{"path": "x", "file": name}))
	}
	for _, item := range []fields{{"path": "x"}, {"path": "x", "data": []byte{}, "file": at("f")}, {"path": "x", "data": "no base64!"}, {"path": "x", "data": []byte{}, "meta": 3}} {
		c.fails("invalid", saveOf(true, item))
	}
	if calls := f.store.noted(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTrouble(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		class   string
		trouble bool
	}{
		{"away", objstore.ErrTransient, "transient", true},
		{"wrong key", fs.ErrPermission, "permission", true},
		{"no bucket", errors.New("no such bucket"), "internal", true},
		{"the caller's key", fs.ErrInvalid, "invalid", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := serve(t, nil)
			f.store.fail = func(string) error { return fmt.Errorf("stat x: %w", test.err) }
			f.connect().fails(test.class, on("size", fields{"path": "x"}))
			o := f.outcome()
			if (o.Trouble != nil) != test.trouble || test.trouble && !errors.Is(o.Trouble, test.err) {
				t.Errorf("trouble: %v", o.Trouble)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	long := `["` + strings.Repeat("x", maxFrame) + `"]`
	f := serve(t, func(c *Config) {
		c.Metadata = metadataFunc(func(method, path string, body []byte) (int, []byte, string, error) {
			switch path {
			case "/down":
				return 0, nil, "", fmt.Errorf("away: %w", objstore.ErrTransient)
			case "/500":
				return 500, []byte("oops"), "2.5.1", nil
			case "/long":
				return 200, []byte(long), "2.5.1", nil
			case "/ping":
				return 200, []byte("pong"), "", nil
			}
			return 201, fmt.Appendf(nil, `{"did":"%s %s","sent":%d}`, method, path, len(body)), "2.5.1", nil
		})
	})
	c := f.connect()
	got := c.ok(fields{"op": "metadata", "method": "POST", "path": "/flows/F", "body": fields{"a": 1}})
	want := map[string]any{"ok": true, "status": 201.0, "version": "2.5.1", "body": map[string]any{"did": "POST /flows/F", "sent": 7.0}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := c.ok(fields{"op": "metadata", "method": "GET", "path": "/ping", "body": nil}); got["body"] != "pong" || got["version"] != nil {
		t.Errorf("%v", got)
	}
	// What fits no frame comes as a file.
	name := c.ok(fields{"op": "metadata", "method": "GET", "path": "/long"})["reply_file"].(string)
	content, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(content, []byte(long)) || !json.Valid(content) {
		t.Errorf("%d bytes, %v", len(content), err)
	}
	if got := c.ok(fields{"op": "metadata", "method": "GET", "path": "/500"}); got["status"] != 500.0 || got["body"] != "oops" {
		t.Errorf("%v", got)
	}
	c.fails("transient", fields{"op": "metadata", "method": "GET", "path": "/down"})
	if o := f.outcome(); !errors.Is(o.Trouble, objstore.ErrTransient) {
		t.Errorf("trouble: %v", o.Trouble)
	}
	serve(t, nil).connect().fails("invalid", fields{"op": "metadata", "method": "GET", "path": "/ping"})
}

func TestNote(t *testing.T) {
	f := serve(t, nil)
	f.connect().ok(fields{"op": "note", "message": "one\ntwo\n"})
	f.outcome()
	if !slices.Equal(f.notes, []string{"one", "two"}) {
		t.Errorf("%q", f.notes)
	}
}

func TestLongSocketPath(t *testing.T) {
	_, err := Serve(t.Context(), Config{SocketPath: "/" + strings.Repeat("x", 101)})
	if err == nil || !strings.Contains(err.Error(), "at most 100") {
		t.Error(err)
	}
}

func TestTroubleThatTheShimMet(t *testing.T) {
	f := serve(t, nil)
	f.connect().ok(fields{"op": "trouble", "message": "pip could not install boto3"})
	if o := f.outcome(); o.Trouble == nil || o.Trouble.Error() != "pip could not install boto3" {
		t.Errorf("trouble: %v", o.Trouble)
	}
}
