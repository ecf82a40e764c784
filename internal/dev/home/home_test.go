package home

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, dir string) *Home {
	t.Helper()
	h, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The token stays; a home has one holder at a time.
func TestHome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	if InUse(dir) {
		t.Error("a home that is not there is in use")
	}
	h := open(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrBusy) || !InUse(dir) {
		t.Errorf("a second holder: %v", err)
	}
	if err := h.WriteRecord(Record{KFP: "127.0.0.1:1", PID: 3}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if InUse(dir) {
		t.Error("a home that was given up is in use")
	}
	if err := os.Chmod(filepath.Join(dir, "token"), 0o644); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	defer again.Close()
	if again.Token != h.Token || len(again.Token) != 64 {
		t.Errorf("token %q became %q", h.Token, again.Token)
	}
	if info, err := os.Stat(again.Path("token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token: %v %v", info.Mode(), err)
	}
	if r, err := ReadRecord(dir); err != nil || r.KFP != "127.0.0.1:1" || r.PID != 3 {
		t.Errorf("record %+v %v", r, err)
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	for file, read := range map[string]func() error{
		"token":    func() error { _, err := Open(dir); return err },
		"dev.json": func() error { _, err := ReadRecord(dir); return err },
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if read() == nil {
			t.Errorf("a broken %s was read", file)
		}
	}
	if InUse(dir) {
		t.Error("a home that could not be opened is in use")
	}
}
