package main

import (
	"os"
	"testing"
	"time"
)

// TestMain lets the test's program be the process that is measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == carrier {
		main()
		return
	}
	os.Exit(m.Run())
}

// What came back is compared by the bench itself.
func TestSmoke(t *testing.T) {
	b, err := parse([]string{"-s5cmd", "", "-server", "../../.cache/bin/versitygw", "-dir", t.TempDir(), "-rounds", "1", "-cases", "1x20MiB,30x1KiB"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCases(t *testing.T) {
	for text, want := range map[string]blobs{
		"1x1GiB":     {1, 1 << 30, "1 x 1 GiB"},
		"64x16MiB":   {64, 16 << 20, "64 x 16 MiB"},
		"5000x16KiB": {5000, 16 << 10, "5000 x 16 KiB"},
		"3x7B":       {3, 7, "3 x 7 B"},
	} {
		if got, err := parseCase(text); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1x", "0x1B", "1x1", "1x1TiB", "ax1B"} {
		if got, err := parseCase(text); err == nil {
			t.Errorf("%s = %v, want an error", text, got)
		}
	}
}

func TestMedian(t *testing.T) {
	got := median([]cost{{3 * time.Second, 1, 5}, {time.Second, 3, 9}, {2 * time.Second, 2, 7}})
	if want := (cost{2 * time.Second, 2, 9}); got != want {
		t.Errorf("median = %v, want %v", got, want)
	}
}
